/** What clients ask in each workload, and whether what they heard is right. Problems are told in sentences. */
import { setTimeout as sleep } from "node:timers/promises";
import { pick } from "../../packages/easynet/src/kernel/index.ts";
import {
  checkLinearizable,
  type Operation,
  type RegisterCall,
  registerModel,
} from "../../packages/easynet/src/testing/linearizability/index.ts";
import {
  checkListAppend,
  type ListTransaction,
  type MicroOperation,
} from "../../packages/easynet/src/testing/list-append.ts";
import type { Answer, Cluster } from "./cluster.ts";
import { ERROR_CODES } from "./protocol.ts";

/** What happens to the network meanwhile, and how long. */
export interface Load {
  readonly durationMs: number;
  readonly clientCount: number;
  /** Partitions come and go. */
  readonly partitions: boolean;
}

export interface Outcome {
  readonly problems: readonly string[];
  /** Requests that were answered with what was asked for. */
  readonly answeredCount: number;
}

/** Long enough for what was cut off to be told. */
const CONVERGE_MS_MAX = 15_000;
const THINK_MS_MAX = 30;

/** Clients that ask one thing after the other, and the network's troubles, until the time is over. */
async function underLoad(cluster: Cluster, load: Load, act: (node: string) => Promise<void>): Promise<void> {
  const endsAtMs = performance.now() + load.durationMs;
  const client = async (): Promise<void> => {
    while (performance.now() < endsAtMs) {
      await act(pick(cluster.random, cluster.nodes) ?? "");
      await sleep(cluster.random.next() * THINK_MS_MAX);
    }
  };
  const clients = Array.from({ length: load.clientCount }, client);
  await Promise.all([...clients, ...(load.partitions ? [cluster.disturb(load.durationMs)] : [])]);
  cluster.heal();
}

/** Asks every node until `judge` finds nothing wrong, or for so long; the last verdicts. */
async function untilRight(cluster: Cluster, judge: (answer: Answer) => string | undefined): Promise<string[]> {
  for (const startedAtMs = performance.now(); ; await sleep(200)) {
    const verdicts = await Promise.all(
      cluster.nodes.map(async (node) => {
        const problem = judge(await cluster.ask(node, { type: "read" }));
        return problem === undefined ? [] : [`${node} ${problem}`];
      }),
    );
    const problems = verdicts.flat();
    if (problems.length === 0 || performance.now() - startedAtMs > CONVERGE_MS_MAX) return problems;
  }
}

export async function runEcho(cluster: Cluster, load: Load): Promise<Outcome> {
  const problems: string[] = [];
  let count = 0;
  await underLoad(cluster, load, async (node) => {
    const echo = { number: ++count, text: "é\n" };
    const answer = await cluster.ask(node, { type: "echo", echo });
    if (JSON.stringify(answer?.["echo"]) !== JSON.stringify(echo))
      problems.push(`${node} echoed ${JSON.stringify(answer)}`);
  });
  return { problems, answeredCount: count - problems.length };
}

/** For broadcast and g-set: everything that was acknowledged is everywhere at the end, and nothing else that nobody sent. */
export async function runSet(
  cluster: Cluster,
  load: Load,
  words: { readonly ask: string; readonly field: string; readonly list: string },
): Promise<Outcome> {
  const asked = new Set<number>();
  const acknowledged = new Set<number>();
  await underLoad(cluster, load, async (node) => {
    const element = asked.size;
    asked.add(element);
    const answer = await cluster.ask(node, { type: words.ask, [words.field]: element });
    if (answer?.type === `${words.ask}_ok`) acknowledged.add(element);
  });
  const problems = await untilRight(cluster, (answer) => {
    const list: unknown = answer?.[words.list];
    if (!Array.isArray(list)) return `answered ${JSON.stringify(answer)}`;
    const found = new Set<unknown>(list);
    const lost = [...acknowledged].filter((element) => !found.has(element));
    const strange = list.filter((element: unknown) => typeof element !== "number" || !asked.has(element));
    if (found.size < list.length) return `holds something twice`;
    return lost.length + strange.length === 0 ? undefined : `lacks ${lost.join()} and has ${strange.join()} of nobody`;
  });
  return { problems, answeredCount: acknowledged.size };
}

/** For both counters: at the end everybody has the sum of what was acknowledged, and of some of what was not answered. */
export async function runCounter(cluster: Cluster, load: Load, isSigned: boolean): Promise<Outcome> {
  let [sum, least, most, answeredCount] = [0, 0, 0, 0];
  await underLoad(cluster, load, async (node) => {
    const delta = Math.floor(cluster.random.next() * 10) - (isSigned ? 5 : 0);
    const answer = await cluster.ask(node, { type: "add", delta });
    if (answer?.type === "add_ok") {
      sum += delta;
      answeredCount += 1;
    } else if (answer === undefined || !isDefinite(answer)) {
      least += Math.min(0, delta);
      most += Math.max(0, delta);
    }
  });
  const problems = await untilRight(cluster, (answer) => {
    const value: unknown = answer?.["value"];
    const right = typeof value === "number" && value >= sum + least && value <= sum + most;
    return right ? undefined : `has ${String(value)}, not ${sum} (${least} to +${most} not answered)`;
  });
  return { problems, answeredCount };
}

type KeyedCall = RegisterCall & { readonly key: string };
const KEYS = ["1", "2", "3"];

export async function runRegisters(cluster: Cluster, load: Load): Promise<Outcome> {
  const history: Operation<KeyedCall>[] = [];
  let count = 0;
  await underLoad(cluster, load, async (node) => {
    const key = pick(cluster.random, KEYS) ?? "";
    const chance = cluster.random.next();
    // Few values, so that comparisons succeed.
    const [from, to] = [Math.floor(cluster.random.next() * 4), Math.floor(cluster.random.next() * 4)];
    const invokedAt = ++count;
    const note = (call: KeyedCall, returnedAt: number): void => void history.push({ call, invokedAt, returnedAt });
    if (chance < 0.4) {
      const answer = await cluster.ask(node, { type: "read", key });
      const isMissing = answer?.["code"] === ERROR_CODES.keyDoesNotExist;
      const value = isMissing ? undefined : String(answer?.["value"]);
      if (isMissing || answer?.type === "read_ok") note({ kind: "read", key, value }, ++count);
    } else if (chance < 0.6) {
      const answer = await cluster.ask(node, { type: "write", key, value: to });
      const isDone = answer?.type === "write_ok";
      if (isDone || !isDefinite(answer)) note({ kind: "write", key, value: String(to) }, isDone ? ++count : Infinity);
    } else {
      const answer = await cluster.ask(node, { type: "cas", key, from, to });
      const code = answer?.["code"];
      const isRefused = code === ERROR_CODES.preconditionFailed || code === ERROR_CODES.keyDoesNotExist;
      const isAnswered = isRefused || answer?.type === "cas_ok";
      const call = { kind: "cas", key, from: String(from), to: String(to), done: !isRefused } as const;
      if (isAnswered || !isDefinite(answer)) note(call, isAnswered ? ++count : Infinity);
    }
  });
  const verdict = checkLinearizable(history, registerModel(), { keyOf: ({ key }) => key });
  const blocked = verdict.outcome === "violated" ? JSON.stringify(history[verdict.blocked]) : "";
  const problems = verdict.outcome === "linearizable" ? [] : [`the history is ${verdict.outcome}: ${blocked}`];
  return { problems, answeredCount: history.filter(({ returnedAt }) => returnedAt !== Infinity).length };
}

export async function runTransactions(cluster: Cluster, load: Load): Promise<Outcome> {
  const history: ListTransaction[] = [];
  let [count, elements] = [0, 0];
  const ask = async (node: string, operations: readonly MicroOperation[]): Promise<boolean> => {
    const invokedAt = ++count;
    const txn = operations.map((each) =>
      each.kind === "read" ? ["r", each.key, null] : ["append", each.key, each.element],
    );
    const answer = await cluster.ask(node, { type: "txn", txn });
    const isDone = answer?.type === "txn_ok";
    const seen = isDone ? answered(operations, answer?.["txn"]) : operations;
    const returnedAt = isDone || isDefinite(answer) ? ++count : Infinity;
    history.push({ operations: seen, invokedAt, returnedAt, refused: !isDone && isDefinite(answer) });
    return isDone;
  };
  await underLoad(cluster, load, async (node) => {
    const length = 1 + Math.floor(cluster.random.next() * 4);
    const operations = Array.from({ length }, (): MicroOperation => {
      const key = pick(cluster.random, KEYS) ?? "";
      return cluster.random.next() < 0.5
        ? { kind: "read", key, list: [] }
        : { kind: "append", key, element: ++elements };
    });
    await ask(node, operations);
  });
  // The last word shows every append, so that none that was answered may be missing.
  const reads = KEYS.map((key): MicroOperation => ({ kind: "read", key, list: [] }));
  for (const startedAtMs = performance.now(); performance.now() - startedAtMs < CONVERGE_MS_MAX;) {
    if (await ask(cluster.nodes[0] ?? "", reads)) break;
  }
  const answeredCount = history.filter(({ returnedAt, refused }) => returnedAt !== Infinity && refused !== true).length;
  return { problems: checkListAppend(history), answeredCount };
}

function answered(operations: readonly MicroOperation[], txn: unknown): readonly MicroOperation[] {
  const done: readonly unknown[] = Array.isArray(txn) ? txn : [];
  return operations.map((operation, index) => {
    const [, , list]: readonly unknown[] = Array.isArray(done[index]) ? done[index] : [];
    if (operation.kind !== "read") return operation;
    return { ...operation, list: Array.isArray(list) ? list.map(Number) : [] };
  });
}

/** Whether an answer says that nothing was done. */
function isDefinite(answer: Answer): boolean {
  const code = answer?.["code"];
  return answer?.type === "error" && code !== ERROR_CODES.timeout && code !== ERROR_CODES.crash;
}
