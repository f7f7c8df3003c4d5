import {
  type AckedIndex,
  jointCommitted,
  jointVote,
  majorityCommitted,
  majorityVote,
  voterIds,
} from "../../packages/easynet/src/state/raft/quorum-core.ts";
import { type Command, valueOf } from "./script.ts";

/** Runs a command of `quorum/`; other ways to the same result are written into the output when they differ. */
export function runQuorum(command: Command): string {
  const list = (key: string): readonly string[] => command.args.find((arg) => arg.key === key)?.values ?? [];
  const joint = valueOf(command, "cfgj");
  const incoming = new Set(list("cfg").map(Number));
  const outgoing = new Set(joint === "zero" ? [] : list("cfgj").map(Number));
  // In the order in which the ids are named, each once.
  const ids = [...new Set([...incoming, ...outgoing])];
  const known = (key: string): ReadonlyMap<number, string> =>
    new Map(ids.map((id, at) => [id, list(key)[at] ?? "_"] as const).filter(([, value]) => value !== "_"));
  const configs = { incoming, outgoing, isJoint: joint !== undefined };
  if (command.name === "vote") {
    return runVote(configs, new Map([...known("votes")].map(([id, vote]) => [id, vote === "y"])));
  }
  return runCommitted(configs, new Map([...known("idx")].map(([id, index]) => [id, Number(index)])));
}

interface Configs {
  readonly incoming: ReadonlySet<number>;
  readonly outgoing: ReadonlySet<number>;
  readonly isJoint: boolean;
}

function runVote({ incoming, outgoing, isJoint }: Configs, votes: ReadonlyMap<number, boolean>): string {
  const result = isJoint ? jointVote({ incoming, outgoing }, votes) : majorityVote(incoming, votes);
  const mirrored = jointVote({ incoming: outgoing, outgoing: incoming }, votes);
  return mirrored === result ? result : `${mirrored} <-- via symmetry\n${result}`;
}

function runCommitted({ incoming, outgoing, isJoint }: Configs, indexes: ReadonlyMap<number, number>): string {
  const acked: AckedIndex = (id) => indexes.get(id);
  const result = isJoint ? jointCommitted({ incoming, outgoing }, acked) : majorityCommitted(incoming, acked);
  const others: (readonly [name: string, index: number])[] = [
    ["symmetry", jointCommitted({ incoming: outgoing, outgoing: incoming }, acked)],
  ];
  if (!isJoint) {
    others.push(["self-joint quorum", jointCommitted({ incoming, outgoing: incoming }, acked)]);
    others.push(["alternative computation", countedCommitted(incoming, acked)]);
    for (const [id, index] of indexes) {
      // Who is behind the result does not hold it up: it may as well be further behind.
      const lowered: AckedIndex = (each) => (each === id ? 0 : acked(each));
      if (index < result) others.push([`overlaying ${id}->0`, majorityCommitted(incoming, lowered)]);
    }
  }
  const unequal = others.filter(([, index]) => index !== result).map(([name, index]) => `${index} <-- via ${name}\n`);
  const table = describe(voterIds({ incoming, outgoing }), acked);
  return `${table}${unequal.join("")}${result === Infinity ? "∞" : result}`;
}

/** Slowly: the highest index that at least a majority has. */
function countedCommitted(voters: ReadonlySet<number>, acked: AckedIndex): number {
  if (voters.size === 0) return Infinity;
  const indexes = [0, ...[...voters].map((id) => acked(id) ?? 0)];
  const hasQuorum = (index: number): boolean =>
    [...voters].filter((id) => (acked(id) ?? 0) >= index).length > voters.size / 2;
  return Math.max(...indexes.filter(hasQuorum));
}

function describe(ids: readonly number[], acked: AckedIndex): string {
  if (ids.length === 0) return "<empty majority quorum>";
  const rows = ids.map((id) => ({ id, index: acked(id) ?? 0, isKnown: acked(id) !== undefined }));
  const width = ids.length + 1;
  const lines = rows.map(({ id, index, isKnown }) => {
    const bar = rows.filter((other) => other.index < index).length;
    const mark = isKnown ? `${"x".repeat(bar)}>` : "?";
    return `${mark.padEnd(width)} ${String(index).padStart(5)}    (id=${id})\n`;
  });
  return `${" ".repeat(ids.length)}    idx\n${lines.join("")}`;
}
