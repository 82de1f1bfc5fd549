// News from the server while a page is open: that something has changed, never what. Whoever shows numbers asks again.

const ADDRESS = '/api/v1/live';
/** At most one question in so long, however much happens. */
const CALM_MS = 3_000;

const listeners = new Set<() => void>();
let source: EventSource | null = null;
let heard: string | null = null;

function listen(): void {
  if (source) return;
  source = new EventSource(ADDRESS);
  source.addEventListener('head', (event) => {
    const head = (event as MessageEvent<string>).data;
    if (heard !== null && heard !== head) for (const listener of listeners) listener();
    heard = head;
  });
}

/** Calls when something in the server has changed, while the component lives and is looked at. */
export function whenChanged(work: () => void): void {
  $effect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const calm = () => {
      timer ??= setTimeout(() => {
        timer = null;
        if (!document.hidden) work();
      }, CALM_MS);
    };
    listeners.add(calm);
    listen();
    return () => {
      listeners.delete(calm);
      if (timer) clearTimeout(timer);
      if (listeners.size === 0) {
        source?.close();
        source = null;
      }
    };
  });
}
