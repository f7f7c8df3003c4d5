import { describe, expect, test } from "vitest";
import { noMetrics, silentLogger } from "../kernel/index.ts";
import type { Write } from "./types.ts";
import { Writer } from "./writer.ts";

const write: Write = { kind: "put", space: "s", key: "k", value: new Uint8Array(1) };
const ports = { logger: silentLogger, metrics: noMetrics };
const data = { path: "/nowhere/node.db", tuning: {} };

/** A thread in the writer's place that runs `code`. */
async function startWith(code: string): Promise<Writer> {
  const source = `import { parentPort } from "node:worker_threads"; ${code}`;
  const { writer } = await Writer.start(data, ports, new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  return writer;
}

const ready = `parentPort.postMessage({ kind: "ready", checked: false });`;

describe("a writer thread that dies", () => {
  test.for([
    ["by an error", `${ready} parentPort.on("message", () => { throw new Error("broken"); });`, "broken"],
    ["by leaving", `${ready} parentPort.on("message", () => process.exit(3));`, "ended"],
  ])("%s rejects every commit that waits, those made later, and lets close end", async ([, code = "", reason = ""]) => {
    const writer = await startWith(code);
    const first = writer.commit([write]);
    await Promise.resolve();
    // These wait behind the first one, which is with the thread already.
    const waiting = [first, writer.commit([write]), writer.commit([write])];
    const results = await Promise.allSettled(waiting);
    for (const result of results) {
      expect(result).toMatchObject({
        status: "rejected",
        reason: { code: "STORAGE_FAILED", message: expect.stringContaining(reason) },
      });
    }
    await expect(writer.commit([write])).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    await writer.close();
  });

  test.for([
    ["by an error", `throw new Error("broken");`, "broken"],
    ["by leaving", `process.exit(3);`, "did not start"],
  ])("%s before it opened the file is a typed error", async ([, code = "", reason = ""]) => {
    await expect(startWith(code)).rejects.toMatchObject({
      code: "STORAGE_FAILED",
      message: expect.stringContaining(reason),
    });
  });
});
