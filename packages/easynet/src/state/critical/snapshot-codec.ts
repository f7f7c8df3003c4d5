import { EasynetError } from "../../kernel/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { SESSIONS_COUNT_MAX } from "./limits.ts";
import { Machine } from "./machine-core.ts";
import {
  countFrom,
  entryFields,
  entryFrom,
  leaseFields,
  leaseFrom,
  listFrom,
  replyFields,
  replyFrom,
} from "./operation-codec.ts";
import type { Reply } from "./operations.ts";

const VERSION = 1;
/** No state has more parts: each takes at least 64 of the 16 MiB that a group holds. */
const PARTS_COUNT_MAX = 1024 * 1024;

/** The whole state. The same state gives the same bytes. */
export function encodeMachine(machine: Machine): Uint8Array {
  const { revision, timeMs, items, leases, sessions } = machine;
  const sorted = [...items.values()].sort((one, other) => (one.key < other.key ? -1 : 1));
  const heldBy = [...leases.values()].sort((one, other) => one.token - other.token);
  return encodeValue([
    VERSION,
    revision,
    timeMs,
    sorted.map(entryFields),
    heldBy.map(leaseFields),
    // In order of their last use, which is part of the state.
    Array.from(sessions.entries(), ([client, { lastUsedMs, answeredBelow, replies }]) => [
      client,
      lastUsedMs,
      answeredBelow,
      Array.from(replies, ([sequence, kept]) => [sequence, kept.map(replyFields)]),
    ]),
  ]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeMachine(bytes: Uint8Array): Machine {
  const [version, revision, timeMs, entries, leases, sessions] = listFrom(decodeValue(bytes), 6);
  if (version !== VERSION) throw malformed("another version");
  const machine = new Machine();
  machine.restoreNumbers(countFrom(revision), countFrom(timeMs));
  for (const entry of listFrom(entries, PARTS_COUNT_MAX).map(entryFrom)) {
    if (entry.revision > machine.revision) throw malformed("a revision from later");
    machine.items.set(entry);
  }
  for (const lease of listFrom(leases, PARTS_COUNT_MAX).map(leaseFrom)) machine.restoreLease(lease);
  for (const session of listFrom(sessions, SESSIONS_COUNT_MAX)) restoreSession(machine, session);
  return machine;
}

function restoreSession(machine: Machine, value: unknown): void {
  const [client, lastUsedMs, answeredBelow, replies] = listFrom(value, 4);
  if (typeof client !== "string") throw malformed("a client");
  machine.sessions.restore(client, {
    lastUsedMs: countFrom(lastUsedMs),
    answeredBelow: countFrom(answeredBelow),
    replies: new Map(
      listFrom(replies, PARTS_COUNT_MAX).map((item): [number, readonly Reply[]] => {
        const [sequence, kept] = listFrom(item, 2);
        return [countFrom(sequence), listFrom(kept, PARTS_COUNT_MAX).map(replyFrom)];
      }),
    ),
  });
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `a snapshot of critical state: ${what}` });
}
