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

/** Asks whenever what the question reads changes. Call it while a component is being made. */
export function load<T>(ask: () => Promise<T>): Loaded<T> {
  const state = $state<{ data: T | null; problem: Problem | null; busy: boolean }>({ data: null, problem: null, busy: true });
  let turn = 0;
  async function reload(): Promise<void> {
    const mine = ++turn;
    state.busy = true;
    try {
      const data = await ask();
      if (mine !== turn) return;
      state.data = data;
      state.problem = null;
    } catch (thrown) {
      if (mine !== turn) return;
      state.problem = asProblem(thrown);
    }
    state.busy = false;
  }
  $effect(() => {
    void reload();
  });
  return {
    get data() {
      return state.data;
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
  const state = $state<{ items: T[]; cursor: string | null; problem: Problem | null; busy: boolean }>({
    items: [],
    cursor: null,
    problem: null,
    busy: true,
  });
  let turn = 0;
  async function read(cursor: string | undefined): Promise<void> {
    const mine = ++turn;
    state.busy = true;
    try {
      const page = await ask(cursor);
      if (mine !== turn) return;
      state.items = cursor === undefined ? page.items : [...state.items, ...page.items];
      state.cursor = page.next ?? null;
      state.problem = null;
    } catch (thrown) {
      if (mine !== turn) return;
      state.problem = asProblem(thrown);
    }
    state.busy = false;
  }
  $effect(() => {
    void read(undefined);
  });
  return {
    get items() {
      return state.items;
    },
    get problem() {
      return state.problem;
    },
    get busy() {
      return state.busy;
    },
    get more() {
      return state.cursor !== null;
    },
    next: () => (state.cursor === null ? Promise.resolve() : read(state.cursor)),
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
