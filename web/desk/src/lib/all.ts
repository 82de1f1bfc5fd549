// Every page of a short list.
interface Page<T> {
  items: T[];
  next?: string | null;
}

/** Reads a list to its end; for lists of some hundred rows at most. */
export async function all<T>(ask: (cursor: string | undefined) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await ask(cursor);
    items.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor);
  return items;
}
