import type { MessagePort } from "node:worker_threads";
import { EasynetError, fromWireError, isEasynetError, type WireError } from "../kernel/index.ts";
import { describeThrown } from "./failure.ts";
import type { WorkerJob, WorkerOutcome } from "./worker-protocol.ts";

/** Runs one call in a worker thread; the pool loads this file and calls its default export. */
export default async function runJob(job: WorkerJob): Promise<WorkerOutcome> {
  try {
    return { kind: "value", value: await call(job) };
  } catch (thrown) {
    if (isEasynetError(thrown)) return { kind: "error", error: thrown.toJSON() };
    return { kind: "thrown", ...describeThrown(thrown) };
  } finally {
    job.context?.port.close();
  }
}

async function call(job: WorkerJob): Promise<unknown> {
  const loaded: unknown = await import(job.module);
  const found = exportOf(loaded, job.exportName);
  if (typeof found !== "function") throw refused(job, `its module exports no function ${job.exportName}`);
  const args = [...job.args];
  if (job.context) args.push({ ...job.context.data, signal: signalFrom(job.context.port) });
  const value: unknown = await Reflect.apply(found, undefined, args);
  if (isStream(value)) throw refused(job, "generators cannot stream out of a worker thread: return one value");
  return value;
}

function exportOf(module: unknown, name: string): unknown {
  return typeof module === "object" && module !== null ? Reflect.get(module, name) : undefined;
}

function isStream(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Symbol.asyncIterator in value || (Symbol.iterator in value && "next" in value);
}

function refused(job: WorkerJob, reason: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject: `The worker function ${job.capability}`, reason });
}

function signalFrom(port: MessagePort): AbortSignal {
  const controller = new AbortController();
  port.on("message", (error: WireError) => controller.abort(fromWireError(error)));
  return controller.signal;
}
