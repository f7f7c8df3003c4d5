import { EasynetError, type Logger } from "../../kernel/index.ts";
import type { Merged } from "./entry-core.ts";
import { WATCHERS_COUNT_MAX } from "./limits.ts";
import { resolveSiblings } from "./rules-core.ts";
import type { MergeRule, StateEvent } from "./types.ts";

export interface WatchFilter {
  readonly space?: string;
  readonly key?: string;
  readonly prefix?: string;
}

interface Watcher {
  readonly filter: WatchFilter & { readonly space: string };
  readonly listener: (event: StateEvent) => void;
}

/** Who wants to hear of changes. One listener that throws does not keep the others from hearing. */
export class Watchers {
  readonly #watchers = new Set<Watcher>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @throws {EasynetError} OVERLOADED */
  add(filter: Watcher["filter"], listener: (event: StateEvent) => void): Disposable {
    if (this.#watchers.size >= WATCHERS_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "Watching shared state", queued: this.#watchers.size });
    }
    const watcher = { filter, listener };
    this.#watchers.add(watcher);
    return { [Symbol.dispose]: () => void this.#watchers.delete(watcher) };
  }

  tell(space: string, rule: MergeRule, { entry, added, removed }: Merged): void {
    if (this.#watchers.size === 0) return;
    const interested = [...this.#watchers].filter(({ filter }) => isFor(filter, space, entry.key));
    if (interested.length === 0) return;
    const { found, value, versions } = resolveSiblings(rule, entry.siblings);
    const latest = added.at(-1) ?? entry.siblings.at(-1) ?? removed.at(-1);
    const showsConcurrent = rule === "last-writer" || rule === "keep-both";
    const winner = showsConcurrent ? versions[0] : undefined;
    const event: StateEvent = {
      space,
      key: entry.key,
      found,
      ...(found && { value }),
      writer: winner?.writer ?? latest?.writer ?? "",
      atMs: winner?.atMs ?? latest?.ms ?? 0,
      concurrent: showsConcurrent ? versions.slice(1) : [],
    };
    for (const { listener } of interested) {
      try {
        listener(event);
      } catch (error) {
        this.#logger.error("a listener of shared state failed", { space, error });
      }
    }
  }
}

function isFor(filter: Watcher["filter"], space: string, key: string): boolean {
  if (filter.space !== space) return false;
  if (filter.key !== undefined && filter.key !== key) return false;
  return filter.prefix === undefined || key.startsWith(filter.prefix);
}
