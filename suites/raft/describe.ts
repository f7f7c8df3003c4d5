/** Readys, messages and entries as the scripts write them. */
import { decodeConfChange, toV2 } from "../../packages/easynet/src/state/raft/conf-change.ts";
import { isEmptySnapshot } from "../../packages/easynet/src/state/raft/messages.ts";
import {
  type Entry,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  type Message,
  NONE,
  type Ready,
  type Snapshot,
} from "../../packages/easynet/src/state/raft/types.ts";
import { formatChanges } from "./changes.ts";

export function describeReady(ready: Ready): string {
  const { softState, hardState, entries, snapshot, committedEntries, messages } = ready;
  const lines: string[] = [];
  if (softState) lines.push(`Lead:${softState.lead} State:${softState.raftState}`);
  if (hardState) {
    const vote = hardState.vote === NONE ? "" : ` Vote:${hardState.vote}`;
    lines.push(`HardState Term:${hardState.term}${vote} Commit:${hardState.commit}`);
  }
  if (entries.length > 0) lines.push("Entries:", ...entries.map(describeEntry));
  if (snapshot) lines.push(`Snapshot ${describeSnapshot(snapshot)}`);
  if (committedEntries.length > 0) lines.push("CommittedEntries:", ...committedEntries.map(describeEntry));
  if (messages.length > 0) lines.push("Messages:", ...messages.map((message) => describeMessage(message)));
  if (lines.length === 0) return "<empty Ready>";
  return `Ready MustSync=${ready.mustSync}:\n${lines.join("\n")}\n`;
}

export function describeMessage(message: Message, indent = ""): string {
  const { from, to, type, term, logTerm, index, entries, snapshot, responses } = message;
  let text = `${indent}${describeTarget(from)}->${describeTarget(to)} ${type} Term:${term} Log:${logTerm}/${index}`;
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`;
  if (message.commit !== 0) text += ` Commit:${message.commit}`;
  if (message.vote !== NONE) text += ` Vote:${message.vote}`;
  const [first] = entries;
  if (first && entries.length === 1) text += ` Entries:[${describeEntry(first)}]`;
  else if (first)
    text += ` Entries:[${entries.map((entry) => `\n${indent}  ${describeEntry(entry)}`).join("")}\n${indent}]`;
  if (snapshot && !isEmptySnapshot(snapshot)) text += `\n${indent}  Snapshot: ${describeSnapshot(snapshot)}`;
  if (responses.length > 0) {
    const lines = responses.map((response) => `\n${describeMessage(response, `${indent}  `)}`);
    text += ` Responses:[${lines.join("")}\n${indent}]`;
  }
  return text;
}

function describeTarget(id: number): string {
  if (id === NONE) return "None";
  if (id === LOCAL_APPEND_THREAD) return "AppendThread";
  return id === LOCAL_APPLY_THREAD ? "ApplyThread" : id.toString(16);
}

function describeSnapshot({ metadata: { index, term, confState } }: Snapshot): string {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = confState;
  const list = (ids: readonly number[]): string => `[${ids.join(" ")}]`;
  const halves = `Voters:${list(voters)} VotersOutgoing:${list(votersOutgoing)}`;
  const others = `Learners:${list(learners)} LearnersNext:${list(learnersNext)}`;
  return `Index:${index} Term:${term} ConfState:${halves} ${others} AutoLeave:${autoLeave}`;
}

export function describeEntry(entry: Entry): string {
  const change = decodeConfChange(entry);
  const text = change ? formatChanges(toV2(change).changes) : JSON.stringify(Buffer.from(entry.data).toString());
  return `${entry.term}/${entry.index} ${entry.type}${text === "" ? "" : ` ${text}`}`;
}
