import { type Did, parseDid } from "../../identity/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { type Applied, Machine } from "../critical/machine-core.ts";
import { batchFields, batchFrom } from "../critical/operation-codec.ts";
import type { Batch } from "../critical/operations.ts";
import { decodeMachine, encodeMachine } from "../critical/snapshot-codec.ts";
import type { Entry } from "../raft/types.ts";
import { bytes, count, list, malformed, text } from "./message-codec.ts";

const VERSION = 1;
const COMMAND = { batch: 0, release: 1 } as const;
const MEMBERS_COUNT_MAX = 1024;

/** What an entry of the log says; the leader that proposed it stamped its wall clock on it. */
export type Command =
  | { readonly kind: "batch"; readonly batch: Batch }
  /** The time of a lease is over. */
  | { readonly kind: "release"; readonly resource: string; readonly token: number };

export function encodeCommand(command: Command, nowMs: number): Uint8Array {
  const timeMs = Math.floor(nowMs);
  if (command.kind === "batch") return encodeValue([COMMAND.batch, timeMs, batchFields(command.batch)]);
  return encodeValue([COMMAND.release, timeMs, command.resource, command.token]);
}

export interface AppliedCommand extends Applied {
  /** Undefined when the entry was none of a client. */
  readonly batch: Batch | undefined;
}

/** A node as a member. */
export interface Member {
  readonly did: Did;
  /** The process that it was when it became one: a process that has nothing of the group may only begin as its own member. */
  readonly epoch: number;
}

/** Everything that is replicated in one group: the facts, and who its members are. */
export class GroupState {
  readonly machine: Machine;
  /** Raft ids of all that are or were members, with the node behind each; an id is never given to another node. */
  readonly members: Map<number, Member>;

  constructor(machine = new Machine(), members: Iterable<readonly [number, Member]> = []) {
    this.machine = machine;
    this.members = new Map(members);
  }

  /** @throws {EasynetError} FRAME_MALFORMED: the log is damaged or of a later version */
  apply({ data }: Entry): AppliedCommand {
    const [kind, timeMs, first, second] = list(decodeValue(data), 4);
    if (kind === COMMAND.batch) {
      const batch = batchFrom(first);
      return { batch, ...this.machine.apply(batch, count(timeMs)) };
    }
    if (kind !== COMMAND.release) throw malformed("a command");
    this.machine.applyOwn({ kind: "release", resource: text(first), token: count(second) });
    return { batch: undefined, replies: undefined, events: [] };
  }

  /** The context of a change of members. */
  learn(context: Uint8Array | undefined): void {
    if (!context) return;
    for (const [id, member] of membersFrom(decodeValue(context))) this.members.set(id, member);
  }

  idOf(did: Did): number | undefined {
    // The newest: a node that lost its state came back with another id.
    return [...this.members].findLast(([, member]) => member.did === did)?.[0];
  }

  nextId(): number {
    return Math.max(0, ...this.members.keys()) + 1;
  }

  encode(): Uint8Array {
    return encodeValue([VERSION, encodeMachine(this.machine), memberFields(this.members)]);
  }

  /** @throws {EasynetError} FRAME_MALFORMED */
  static decode(snapshot: Uint8Array): GroupState {
    const [version, machine, members] = list(decodeValue(snapshot), 3);
    if (version !== VERSION) throw malformed("a snapshot of another version");
    return new GroupState(decodeMachine(bytes(machine)), membersFrom(members));
  }
}

export function memberFields(members: Iterable<readonly [number, Member]>): readonly (readonly unknown[])[] {
  return Array.from(members, ([id, { did, epoch }]) => [id, did, epoch]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function membersFrom(value: unknown): readonly (readonly [number, Member])[] {
  return list(value, MEMBERS_COUNT_MAX).map((fields) => {
    const [id, did, epoch] = list(fields, 3);
    return [count(id), { did: parseDid(text(did)), epoch: count(epoch) }] as const;
  });
}
