import type { Did } from "../identity/index.ts";
import type { Clock } from "../kernel/index.ts";
import type { NodeRecord } from "../model/index.ts";
import type { Directory, FindQuery } from "../state/index.ts";

/** Who has been away longer is not waited for. */
const AWAY_MS_MAX = 60_000;
/** Nodes remembered; the one that went first is forgotten first. */
const AWAY_COUNT_MAX = 256;

/** Providers that were there a moment ago: links break when a machine sleeps or changes its network, and come back. */
export class AwayProviders {
  readonly #clock: Clock;
  readonly #away = new Map<Did, { readonly record: NodeRecord; readonly sinceMs: number }>();

  constructor(directory: Pick<Directory, "on">, clock: Clock) {
    this.#clock = clock;
    directory.on("node-changed", ({ did, record, status }) => {
      if (status === "suspect") this.#add(did, record);
      else this.#away.delete(did);
    });
    directory.on("node-gone", (did, status) => {
      // Who said goodbye does not come back in a moment.
      if (status !== "dead") this.#away.delete(did);
    });
  }

  /** True when somebody who fits went away without a word, not long ago. */
  has(query: FindQuery): boolean {
    const sinceMs = this.#clock.monotonicMs() - AWAY_MS_MAX;
    for (const [did, { record, sinceMs: goneMs }] of this.#away) {
      if (goneMs < sinceMs) this.#away.delete(did);
      else if (offers(did, record, query)) return true;
    }
    return false;
  }

  #add(did: Did, record: NodeRecord): void {
    if (this.#away.has(did)) return;
    this.#away.set(did, { record, sinceMs: this.#clock.monotonicMs() });
    const oldest = this.#away.keys().next();
    if (this.#away.size > AWAY_COUNT_MAX && !oldest.done) this.#away.delete(oldest.value);
  }
}

function offers(did: Did, record: NodeRecord, { capability, agent }: FindQuery): boolean {
  const isNode = agent === undefined || agent === did || agent === record.name;
  return record.cards.some(
    ({ card }) =>
      (isNode || agent === card.id || agent === card.name) &&
      (capability === undefined || card.capabilities.some(({ name }) => name === capability)),
  );
}
