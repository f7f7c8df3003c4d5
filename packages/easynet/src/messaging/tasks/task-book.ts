import { parseDid } from "../../identity/index.ts";
import { type Clock, type Logger, toEasynetError } from "../../kernel/index.ts";
import type { Store, Write } from "../../storage/index.ts";
import { encodeValue } from "../../wire/index.ts";
import { type AskedTask, type Binding, bindingOf, toDrop } from "./asked-core.ts";
import { defaultTaskLimits } from "./limits.ts";
import { ASKED_SPACE, number, rowOf, storedDurability, text } from "./record-codec.ts";

export interface TaskBookOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Which provider has which of this node's tasks: written before a provider is asked, and read again at the start. */
export class TaskBook {
  readonly #options: TaskBookOptions;
  /** Oldest first. */
  readonly #tasks = new Map<string, AskedTask>();

  constructor(options: TaskBookOptions) {
    this.#options = options;
    const read: AskedTask[] = [];
    let page = options.store.list(ASKED_SPACE);
    while (page.length > 0) {
      for (const { key, value } of page) read.push(decodeAsked(key, value));
      page = options.store.list(ASKED_SPACE, { after: page.at(-1)?.key ?? "" });
    }
    for (const task of read.sort((one, other) => one.createdAtMs - other.createdAtMs)) this.#tasks.set(task.id, task);
  }

  get(id: string): AskedTask | undefined {
    return this.#tasks.get(id);
  }

  list(): readonly AskedTask[] {
    return [...this.#tasks.values()];
  }

  /** @throws {EasynetError} TASK_ID_REUSED */
  binding(id: string, digest: string): Binding {
    return bindingOf(this.#tasks.get(id), digest);
  }

  /** Binds an id to a provider; resolves when that is stored. @throws {EasynetError} OVERLOADED, STORAGE_FULL, STORAGE_FAILED */
  async bind(task: AskedTask): Promise<void> {
    const { store, clock } = this.#options;
    const drop = toDrop(this.#tasks, { nowMs: clock.nowMs(), keptMs: defaultTaskLimits.keptMs });
    for (const id of drop) this.#tasks.delete(id);
    this.#tasks.set(task.id, task);
    const writes: Write[] = drop.map((key) => ({ kind: "delete", space: ASKED_SPACE, key }));
    try {
      await store.commit([...writes, put(task)], { durability: task.durability });
    } catch (error) {
      if (this.#tasks.get(task.id) === task) this.#tasks.delete(task.id);
      throw error;
    }
  }

  /** What is learnt of a task that is bound; written soon. An earlier state on disk is true as well, only older. */
  note(id: string, change: Partial<Pick<AskedTask, "accepted" | "cancelling" | "end">>): void {
    const known = this.#tasks.get(id);
    if (!known) return;
    const task = { ...known, ...change };
    this.#tasks.set(id, task);
    const { durability } = task;
    this.#options.store.commit([put(task)], { durability }).catch((error: unknown) => this.#unwritten(id, error));
  }

  /** No provider has it. */
  release(id: string): void {
    if (!this.#tasks.delete(id)) return;
    const write: Write = { kind: "delete", space: ASKED_SPACE, key: id };
    this.#options.store.commit([write]).catch((error: unknown) => this.#unwritten(id, error));
  }

  #unwritten(task: string, error: unknown): void {
    this.#options.logger.warn("the state of a task could not be written", { task, code: toEasynetError(error).code });
  }
}

function put(task: AskedTask): Write {
  const { node, nodeName, agent, agentName, capability, digest, createdAtMs, accepted, cancelling, end } = task;
  const last = end ? [end.atMs, end.code] : null;
  const place = [node, nodeName, agent, agentName];
  const fields = [...place, capability, digest, createdAtMs, accepted, cancelling, last, task.durability];
  return { kind: "put", space: ASKED_SPACE, key: task.id, value: encodeValue(fields) };
}

/** @throws {EasynetError} FRAME_MALFORMED for a row that this version did not write */
function decodeAsked(id: string, bytes: Uint8Array): AskedTask {
  const [node, nodeName, agent, agentName, ...about] = rowOf(bytes);
  const [capability, digest, createdAtMs, accepted, cancelling, last, durability] = about;
  const fields: readonly unknown[] = Array.isArray(last) ? last : [];
  return {
    id,
    node: parseDid(text(node)),
    nodeName: text(nodeName),
    agent: text(agent),
    agentName: text(agentName),
    capability: text(capability),
    digest: text(digest),
    createdAtMs: number(createdAtMs),
    durability: storedDurability(durability),
    accepted: accepted === true,
    cancelling: cancelling === true,
    end: last === null ? undefined : { atMs: number(fields[0]), code: text(fields[1]) },
  };
}
