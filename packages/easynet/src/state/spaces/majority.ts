import { EasynetError } from "../../kernel/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import type { CriticalStore } from "../critical/types.ts";
import { invalid } from "./checks.ts";
import type { Replica } from "./replica.ts";
import type { Change } from "./types.ts";

/** A delete that others overtake this often is given up. */
const DELETE_TRIES_MAX = 16;

/** What spaces need of the critical store. */
export type Deciding = Pick<CriticalStore, "get" | "put" | "compareAndSet">;

interface Agreed {
  readonly revision: number;
  readonly value: Uint8Array | undefined;
}

/**
 * Linearizable reads and writes of keys of a space, through the critical store. What was agreed on is copied into the
 * space, so that `local` reads go on where the majority is out of reach; a higher revision always counts there.
 */
export class Majority {
  readonly #critical: Deciding | undefined;

  constructor(critical: Deciding | undefined) {
    this.#critical = critical;
  }

  /** @throws {EasynetError} CONSISTENCY_UNAVAILABLE, NO_MAJORITY */
  async read(replica: Replica, key: string, signal?: AbortSignal): Promise<unknown> {
    const found = await this.#store(replica).get(nameOf(replica, key), { signal });
    if (found) await copy(replica, key, found);
    return found && decodeValue(found.value);
  }

  /** @throws {EasynetError} CONSISTENCY_UNAVAILABLE, NO_MAJORITY, OUTCOME_UNKNOWN, INVALID_ARGUMENT */
  async write(
    replica: Replica,
    {
      key,
      change,
      signal,
    }: { readonly key: string; readonly change: Change; readonly signal?: AbortSignal | undefined },
  ): Promise<number> {
    const store = this.#store(replica);
    if (change.kind === "put") {
      const value = encodeValue(change.value);
      const { valueBytesMax } = replica.core.spec;
      if (value.length > valueBytesMax)
        throw invalid("The value", `it has ${value.length} bytes, ${valueBytesMax} fit`);
      const revision = await store.put(nameOf(replica, key), value, { signal });
      await copy(replica, key, { revision, value });
      return revision;
    }
    if (change.kind !== "delete") throw invalid("The change", "linearizable takes put and delete only");
    return this.#delete(replica, key, signal);
  }

  async #delete(replica: Replica, key: string, signal: AbortSignal | undefined): Promise<number> {
    const [store, name] = [this.#store(replica), nameOf(replica, key)];
    for (let tries = 0; tries < DELETE_TRIES_MAX; tries++) {
      const found = await store.get(name, { signal });
      if (!found) return 0;
      const outcome = await store.compareAndSet({ key: name, revision: found.revision }, { signal });
      if (!outcome.done) continue;
      await copy(replica, key, { revision: outcome.revision, value: undefined });
      return outcome.revision;
    }
    throw new EasynetError("OVERLOADED", { subject: `The key ${key}`, queued: DELETE_TRIES_MAX });
  }

  #store({ core }: Replica): Deciding {
    if (!this.#critical) throw new EasynetError("CONSISTENCY_UNAVAILABLE", {});
    if (core.spec.merge !== "last-writer") throw invalid("The consistency", "linearizable needs a last-writer space");
    return this.#critical;
  }
}

/** The highest revision that a key has here; 0: it was never written through the majority, or is deleted. */
export function revisionOf({ core }: Replica, key: string): number {
  const live = core.get(key)?.siblings.filter(({ value }) => value !== undefined) ?? [];
  return Math.max(0, ...live.map(({ revision }) => revision));
}

async function copy(replica: Replica, key: string, { revision, value }: Agreed): Promise<void> {
  const known = replica.core.get(key)?.siblings.map((sibling) => sibling.revision) ?? [];
  if (Math.max(0, ...known) >= revision) return;
  const change: Change = value ? { kind: "put", value: decodeValue(value) } : { kind: "delete" };
  await replica.write(key, change, { revision });
}

function nameOf({ core }: Replica, key: string): string {
  return `state/${core.name}/${key}`;
}
