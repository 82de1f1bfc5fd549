// What a picture with an enrolment code says. The address decides where a code belongs; whether it is right says the server.

/** A code; or why there is none: the link leads to another address, or it is no enrolment code at all. */
export type Scanned = { code: string } | { elsewhere: string } | { none: true };

/** A code alone, with or without a gap in the middle. */
const BARE = /^[0-9A-Za-z]{4}[\s-]?[0-9A-Za-z]{4}$/;

/** Reads the text of a picture: a link `…/app/#/enrol/CODE` of this address, or a code alone. */
export function enrolmentOf(text: string, origin: string): Scanned {
  const said = text.trim();
  if (BARE.test(said)) return { code: said };
  let link: URL;
  try {
    link = new URL(said);
  } catch {
    return { none: true };
  }
  const code = link.hash.match(/^#\/enrol\/([^/]+)$/)?.[1];
  if (!code) return { none: true };
  if (link.origin !== origin) return { elsewhere: link.host };
  try {
    return { code: decodeURIComponent(code) };
  } catch {
    return { none: true };
  }
}
