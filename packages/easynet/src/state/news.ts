import type { Did } from "../identity/index.ts";

/** Owners whose renewal is to be told to a few peers, collected for a while. */
export class News {
  readonly #delayMs: number;
  /** Owner and the peer that we have it from. */
  readonly #from = new Map<Did, Did>();
  /** Monotonic ms; Infinity while there is nothing to tell. */
  dueAtMs = Infinity;

  /** @param delayMs from the first news to its telling */
  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  add(owner: Did, from: Did, nowMs: number): void {
    this.#from.set(owner, from);
    if (this.dueAtMs === Infinity) this.dueAtMs = nowMs + this.#delayMs;
  }

  /** What `peer` can not have told or be told about itself. */
  for(peer: Did): Did[] {
    return [...this.#from].filter(([owner, from]) => owner !== peer && from !== peer).map(([owner]) => owner);
  }

  clear(): void {
    this.#from.clear();
    this.dueAtMs = Infinity;
  }
}
