import { type Clock, repeat, type Timer } from "../../kernel/index.ts";
import { LIST_COUNT_MAX } from "../critical/limits.ts";
import type { Executor } from "../critical/operation-store.ts";
import type { CriticalEntry, CriticalEvent } from "../critical/types.ts";

/** How often a node that is no member looks for changes, ms. */
const LOOK_MS = 1000;
/** Keys that one watch from afar can follow; what comes later in their order is not told. */
const KEYS_COUNT_MAX = 100_000;

/** Watches of a node that keeps nothing of the group: it lists what it watches and tells the difference. */
export class RemoteWatches {
  readonly #executor: Executor;
  readonly #clock: Clock;
  readonly #timers = new Set<Timer>();

  constructor(executor: Executor, ports: { readonly clock: Clock }) {
    this.#executor = executor;
    this.#clock = ports.clock;
  }

  async add(prefix: string, listener: (event: CriticalEvent) => void): Promise<Disposable> {
    let known = await this.#list(prefix);
    let looking = false;
    let ended = false;
    const look = async (): Promise<void> => {
      const found = await this.#list(prefix);
      const before = known;
      known = found;
      const events = differences(before, found);
      for (const event of events) if (!ended) listener(event);
    };
    const timer = repeat(this.#clock, LOOK_MS, () => {
      if (looking) return;
      looking = true;
      // Without a majority nothing changes; the next look tells what was missed.
      void look()
        .catch(() => undefined)
        .finally(() => {
          looking = false;
        });
    });
    this.#timers.add(timer);
    return {
      [Symbol.dispose]: () => {
        ended = true;
        timer.cancel();
        this.#timers.delete(timer);
      },
    };
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  async #list(prefix: string): Promise<ReadonlyMap<string, CriticalEntry>> {
    const entries = new Map<string, CriticalEntry>();
    for (let after: string | undefined; entries.size < KEYS_COUNT_MAX;) {
      const answer = await this.#executor.query({ kind: "list", prefix, after, limit: LIST_COUNT_MAX }, {});
      const page = answer.kind === "entries" ? answer.entries : [];
      for (const entry of page) entries.set(entry.key, entry);
      after = page.at(-1)?.key;
      if (page.length === 0) break;
    }
    return entries;
  }
}

function differences(
  before: ReadonlyMap<string, CriticalEntry>,
  after: ReadonlyMap<string, CriticalEntry>,
): readonly CriticalEvent[] {
  const changed = [...after.values()].filter(({ key, revision }) => before.get(key)?.revision !== revision);
  let newest = 0;
  for (const entries of [before, after]) {
    for (const { revision } of entries.values()) newest = Math.max(newest, revision);
  }
  const gone = [...before.keys()].filter((key) => !after.has(key));
  return [
    ...changed.sort((one, other) => one.revision - other.revision),
    ...gone.map((key) => ({ key, revision: newest + 1 })),
  ];
}
