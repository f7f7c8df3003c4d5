import { type ChildProcess, fork } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Order, Outcome, Report } from "./messaging-worker.ts";

const WORKER = new URL("messaging-worker.ts", import.meta.url);
const ANSWER_TIMEOUT_MS = 120_000;
/** Clock ticks of /proc/PID/stat per second: USER_HZ is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Places after the name; system time follows user time. */
const PARENT_INDEX = 1;
const UTIME_INDEX = 11;

/** What one burst or stretch of messages showed. */
export interface Burst {
  readonly perSecond: number;
  /** Of the two clients together. */
  readonly cpuUs: number;
  /** Of the broker; 0 where there is none, or where it cannot be read. */
  readonly serverCpuUs: number;
  /** From the call that publishes to the consumer's handler, us each. */
  readonly deliveredUs: readonly number[];
  /** From the call that publishes to its confirmation, us each; only of paced messages. */
  readonly confirmedUs: readonly number[];
}

/** The two processes of one system. */
export interface Pair {
  readonly system: string;
  run(order: Exclude<Order, { do: "cpu" } | { do: "expect" }>): Promise<Burst>;
  stop(): void;
}

export async function startPair(
  system: string,
  server?: { readonly address: unknown; readonly pids: readonly number[] },
): Promise<Pair> {
  // Where the workers put their files: they are killed at the end and could not clean up.
  const folder = mkdtempSync(join(tmpdir(), "easynet-messaging-"));
  const consumer = await startWorker({ role: "consume", system, address: server?.address, folder });
  const publisher = await startWorker({ role: "publish", system, address: consumer.address, folder });
  const cpuUs = async (): Promise<number> => {
    const outcomes = await Promise.all([consumer.ask({ do: "cpu" }), publisher.ask({ do: "cpu" })]);
    return outcomes.reduce((sum, outcome) => sum + (outcome.cpuUs ?? 0), 0);
  };
  const serverCpuUs = (): number => (server?.pids ?? []).reduce((sum, pid) => sum + processCpuUs(pid), 0);
  return {
    system,
    async run(order) {
      const [clientBefore, serverBefore] = [await cpuUs(), serverCpuUs()];
      const consumed = consumer.ask({ do: "expect", count: order.count });
      const [published, received] = await Promise.all([publisher.ask(order), consumed]);
      const endedAtUs = Math.max(published.endedAtUs ?? 0, received.endedAtUs ?? 0);
      return {
        perSecond: (order.count / (endedAtUs - (published.startedAtUs ?? 0))) * 1_000_000,
        cpuUs: ((await cpuUs()) - clientBefore) / order.count,
        serverCpuUs: (serverCpuUs() - serverBefore) / order.count,
        deliveredUs: received.latenciesUs ?? [],
        confirmedUs: published.latenciesUs ?? [],
      };
    },
    stop() {
      publisher.child.kill("SIGKILL");
      consumer.child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Worker {
  readonly child: ChildProcess;
  readonly address: unknown;
  ask(order: Order): Promise<Outcome>;
}

interface WorkerOptions {
  readonly role: "consume" | "publish";
  readonly system: string;
  readonly address: unknown;
  readonly folder: string;
}

async function startWorker({ role, system, address, folder }: WorkerOptions): Promise<Worker> {
  const child = fork(WORKER, [role, system, JSON.stringify(address ?? null)], {
    execPath: process.execPath,
    serialization: "advanced",
    env: { ...process.env, TMPDIR: folder },
  });
  const waiting = new Map<number, (outcome: Outcome) => void>();
  const { promise: ready, resolve: onReady, reject: onEnded } = Promise.withResolvers<unknown>();
  child.on("message", (report: Report) => {
    if (report.kind === "ready") onReady(report.address);
    else waiting.get(report.id)?.(report.outcome);
  });
  child.once("exit", (code) => {
    const error = `${system} ${role} ended with ${code}`;
    onEnded(new Error(error));
    for (const answer of waiting.values()) answer({ error });
  });
  let id = 0;
  return {
    child,
    address: await ready,
    async ask(order) {
      const own = (id += 1);
      const outcome = await new Promise<Outcome>((resolve) => {
        const timer = setTimeout(() => resolve({ error: `no answer in ${ANSWER_TIMEOUT_MS} ms` }), ANSWER_TIMEOUT_MS);
        waiting.set(own, (answer) => {
          clearTimeout(timer);
          resolve(answer);
        });
        child.send({ id: own, order });
      });
      waiting.delete(own);
      if (outcome.error !== undefined) throw new Error(`${system} ${role}, ${order.do}: ${outcome.error}`);
      return outcome;
    },
  };
}

/** User and system time of a process, its threads and its children (a broker may begin as a script); 0 without /proc. */
function processCpuUs(pid: number): number {
  let ticks = 0;
  for (const each of familyOf(pid)) {
    const fields = statOf(each);
    ticks += Number(fields[UTIME_INDEX] ?? 0) + Number(fields[UTIME_INDEX + 1] ?? 0);
  }
  return (ticks / TICKS_PER_SECOND) * 1_000_000;
}

function familyOf(pid: number): readonly number[] {
  if (!existsSync("/proc/self/stat")) return [];
  const parents = readdirSync("/proc").flatMap((name) =>
    /^\d+$/.test(name) ? [[Number(name), parentOf(Number(name))] as const] : [],
  );
  const family = [pid];
  for (const member of family)
    family.push(...parents.filter(([, parent]) => parent === member).map(([child]) => child));
  return family;
}

function parentOf(pid: number): number {
  return Number(statOf(pid)[PARENT_INDEX]);
}

/** The fields of /proc/PID/stat after the name, which stands in brackets and may hold spaces; none when it has ended. */
function statOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
  } catch {
    return [];
  }
}
