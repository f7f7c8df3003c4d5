import type { Logger } from "../kernel/index.ts";
import type { MeshEvents } from "./types.ts";

type Listener<Name extends keyof MeshEvents> = (...values: MeshEvents[Name]) => void;

/** Listeners of a mesh; one that throws is logged and disturbs nobody else. */
export class MeshListeners {
  readonly #joined = new Set<Listener<"peer-joined">>();
  readonly #left = new Set<Listener<"peer-left">>();
  readonly #duplicated = new Set<Listener<"identity-duplicated">>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add<Name extends keyof MeshEvents>(name: Name, listener: Listener<Name>): Disposable {
    const listeners: Set<Listener<Name>> = this.#of(name);
    listeners.add(listener);
    return { [Symbol.dispose]: () => void listeners.delete(listener) };
  }

  emit<Name extends keyof MeshEvents>(name: Name, ...values: MeshEvents[Name]): void {
    const listeners: Set<Listener<Name>> = this.#of(name);
    for (const listener of listeners) {
      try {
        listener(...values);
      } catch (error) {
        this.#logger.error("mesh listener failed", { name, error });
      }
    }
  }

  #of<Name extends keyof MeshEvents>(name: Name): Set<Listener<Name>> {
    const all: { readonly [Key in keyof MeshEvents]: Set<Listener<Key>> } = {
      "peer-joined": this.#joined,
      "peer-left": this.#left,
      "identity-duplicated": this.#duplicated,
    };
    return all[name];
  }
}
