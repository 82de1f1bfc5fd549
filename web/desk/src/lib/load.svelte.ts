// What a page has asked for: on its way, there, or why not. What is older than a later question is not shown.
import { asProblem, type Problem } from './api';

export interface Loaded<T> {
  /** The last good answer; it stays while another one is on its way. */
  readonly data: T | null;
  readonly problem: Problem | null;
  readonly busy: boolean;
  /** Asks again. */
  reload: () => Promise<void>;
}

/** One question at a time: the answer to an older one than the last is dropped. */
function asking() {
  const state = $state<{ problem: Problem | null; busy: boolean }>({ problem: null, busy: true });
  let turn = 0;
  async function run<A>(ask: () => Promise<A>, take: (answer: A) => void): Promise<void> {
    const mine = ++turn;
    state.busy = true;
    try {
      const answer = await ask();
      if (mine !== turn) return;
      take(answer);
      state.problem = null;
    } catch (thrown) {
      if (mine !== turn) return;
      state.problem = asProblem(thrown);
    }
    state.busy = false;
  }
  return { state, run };
}

/** Asks whenever what the question reads changes. Call it while a component is being made. */
export function load<T>(ask: () => Promise<T>): Loaded<T> {
  const { state, run } = asking();
  let data = $state<T | null>(null);
  const reload = () => run(ask, (answer) => (data = answer));
  $effect(() => {
    void reload();
  });
  return {
    get data() {
      return data;
    },
    get problem() {
      return state.problem;
    },
    get busy() {
      return state.busy;
    },
    reload,
  };
}

interface Page<T> {
  items: T[];
  next?: string | null;
}

export interface Listed<T> {
  readonly items: T[];
  readonly problem: Problem | null;
  readonly busy: boolean;
  /** Whether there is more. */
  readonly more: boolean;
  /** Asks for the next page. */
  next: () => Promise<void>;
  reload: () => Promise<void>;
}

/** A list that comes page by page. */
export function list<T>(ask: (cursor: string | undefined) => Promise<Page<T>>): Listed<T> {
  const { state, run } = asking();
  const rows = $state<{ items: T[]; cursor: string | null }>({ items: [], cursor: null });
  const read = (cursor: string | undefined) =>
    run(
      () => ask(cursor),
      (page) => {
        rows.items = cursor === undefined ? page.items : [...rows.items, ...page.items];
        rows.cursor = page.next ?? null;
      },
    );
  $effect(() => {
    void read(undefined);
  });
  return {
    get items() {
      return rows.items;
    },
    get problem() {
      return state.problem;
    },
    get busy() {
      return state.busy;
    },
    get more() {
      return rows.cursor !== null;
    },
    next: () => (rows.cursor === null ? Promise.resolve() : read(rows.cursor)),
    reload: () => read(undefined),
  };
}

/** One press, done once: busy while it runs, the problem where it failed. The same press repeated is the same change. */
export function press<A extends unknown[]>(work: (key: string, ...args: A) => Promise<void>) {
  const state = $state<{ busy: boolean; problem: Problem | null }>({ busy: false, problem: null });
  let key: string | null = null;
  return {
    get busy() {
      return state.busy;
    },
    get problem() {
      return state.problem;
    },
    clear() {
      state.problem = null;
    },
    async run(...args: A): Promise<boolean> {
      if (state.busy) return false;
      key ??= crypto.randomUUID();
      state.busy = true;
      state.problem = null;
      try {
        await work(key, ...args);
        key = null;
        return true;
      } catch (thrown) {
        state.problem = asProblem(thrown);
        // What was refused is another change once it is put right; what may have arrived is the same one.
        if (state.problem.code !== 'no_network') key = null;
        return false;
      } finally {
        state.busy = false;
      }
    },
  };
}
