import type { Logger } from "../../kernel/index.ts";
import type { Machine } from "./machine-core.ts";
import type { CriticalEvent } from "./types.ts";

type Listener = (event: CriticalEvent) => void;

/** Who is told of changes. A listener that throws is logged and stays. */
export class Watchers {
  readonly #logger: Logger;
  readonly #watches = new Set<{ readonly prefix: string; readonly listener: Listener }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(prefix: string, listener: Listener): Disposable {
    const watch = { prefix, listener };
    this.#watches.add(watch);
    return { [Symbol.dispose]: () => void this.#watches.delete(watch) };
  }

  tell(events: readonly CriticalEvent[]): void {
    if (this.#watches.size === 0) return;
    for (const event of events) {
      for (const { prefix, listener } of this.#watches) {
        if (event.key.startsWith(prefix)) this.#call(listener, event);
      }
    }
  }

  /** What happened between two states, when the log between them is not at hand. */
  tellDifference(before: Machine, after: Machine): void {
    if (this.#watches.size === 0) return;
    const changed = Array.from(after.items.values()).filter(
      ({ key, revision }) => before.items.get(key)?.revision !== revision,
    );
    const gone = Array.from(before.items.values()).filter(({ key }) => !after.items.get(key));
    this.tell([
      ...changed.sort((one, other) => one.revision - other.revision),
      ...gone.map(({ key }) => ({ key, revision: after.revision })),
    ]);
  }

  #call(listener: Listener, event: CriticalEvent): void {
    try {
      listener(event);
    } catch (error) {
      this.#logger.error("a watch of critical state failed", { error });
    }
  }
}
