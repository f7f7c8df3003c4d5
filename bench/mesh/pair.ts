import { type ChildProcess, fork } from "node:child_process";
import type { Order, Report } from "./mesh-worker.ts";

const WORKER = new URL("mesh-worker.ts", import.meta.url);
const ANSWER_TIMEOUT_MS = 60_000;

/** The two processes of one system. */
export interface Pair {
  readonly system: string;
  /** Round trips one after the other, us each. */
  rtt(options: { readonly size: number; readonly count: number; readonly warmup: number }): Promise<readonly number[]>;
  /** One-way messages, counted where they arrive; CPU of both processes per message. */
  pump(options: { readonly size: number; readonly count: number }): Promise<{ perSecond: number; cpuUs: number }>;
  stop(): void;
}

export async function startPair(system: string, server?: unknown): Promise<Pair> {
  const far = startWorker("far", system, server);
  const { address } = await far.next("ready");
  const connected = far.next("connected");
  const near = startWorker("near", system, address);
  await Promise.all([connected, near.next("connected")]);
  const cpuUs = async (): Promise<number> => {
    const [one, other] = await Promise.all([near.ask({ do: "cpu" }, "cpu"), far.ask({ do: "cpu" }, "cpu")]);
    return one.cpuUs + other.cpuUs;
  };
  return {
    system,
    async rtt(options) {
      return (await near.ask({ do: "rtt", ...options }, "rtt")).latenciesUs;
    },
    async pump({ size, count }) {
      const before = await cpuUs();
      const received = far.next("received");
      near.tell({ do: "pump", size, count });
      const got = await received;
      if (got.count !== count || got.bytes !== count * size) {
        throw new Error(`${system} lost messages: ${got.count} of ${count} arrived, ${got.bytes} bytes`);
      }
      return { perSecond: (count / got.elapsedMs) * 1000, cpuUs: ((await cpuUs()) - before) / count };
    },
    stop() {
      near.child.kill("SIGKILL");
      far.child.kill("SIGKILL");
    },
  };
}

type ReportOf<Kind extends Report["kind"]> = Extract<Report, { readonly kind: Kind }>;

interface Worker {
  readonly child: ChildProcess;
  tell(order: Order): void;
  next<Kind extends Report["kind"]>(kind: Kind): Promise<ReportOf<Kind>>;
  ask<Kind extends Report["kind"]>(order: Order, kind: Kind): Promise<ReportOf<Kind>>;
}

function startWorker(role: "far" | "near", system: string, address: unknown): Worker {
  const child = fork(WORKER, [role, system, JSON.stringify(address ?? null)], { execPath: process.execPath });
  const next = <Kind extends Report["kind"]>(kind: Kind): Promise<ReportOf<Kind>> =>
    new Promise((resolve, reject) => {
      const fail = (reason: string): void => {
        stop();
        reject(new Error(`${system} ${role}: ${reason}`));
      };
      const timer = setTimeout(() => fail(`no ${kind} in ${ANSWER_TIMEOUT_MS} ms`), ANSWER_TIMEOUT_MS);
      const onExit = (code: number | null): void => fail(`ended with ${code}`);
      const onMessage = (report: Report): void => {
        if (!isKind(report, kind)) return;
        stop();
        resolve(report);
      };
      const stop = (): void => {
        clearTimeout(timer);
        child.off("exit", onExit);
        child.off("message", onMessage);
      };
      child.on("exit", onExit);
      child.on("message", onMessage);
    });
  const tell = (order: Order): void => void child.send(order);
  return {
    child,
    tell,
    next,
    ask(order, kind) {
      const answer = next(kind);
      tell(order);
      return answer;
    },
  };
}

function isKind<Kind extends Report["kind"]>(report: Report, kind: Kind): report is ReportOf<Kind> {
  return report.kind === kind;
}
