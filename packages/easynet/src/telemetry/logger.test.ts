import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EasynetError } from "../kernel/index.ts";
import { openDescriptor, openLogFile } from "./log-file.ts";
import { createLogger, type LogLevel } from "./logger.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "easynet-log-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function capture(level?: LogLevel): { logger: ReturnType<typeof createLogger>; lines: () => unknown[] } {
  const written: string[] = [];
  const destination = { write: (line: string) => void written.push(line) };
  const logger = createLogger({ destination, ...(level && { level }) });
  return { logger, lines: () => written.map((line): unknown => JSON.parse(line)) };
}

describe("createLogger", () => {
  test("writes one JSON line with level, time, message and the fields of its ancestors", () => {
    const { logger, lines } = capture();
    logger.child({ component: "mesh" }).child({ peer: "p" }).warn("link closed", { reason: "gone" });
    logger.info("no fields");
    expect(lines()).toEqual([
      { level: "warn", time: expect.any(String), component: "mesh", peer: "p", reason: "gone", msg: "link closed" },
      { level: "info", time: expect.any(String), msg: "no fields" },
    ]);
  });

  test("keeps quiet below its level", () => {
    const { logger, lines } = capture("warn");
    logger.debug("a");
    logger.info("b");
    logger.error("c");
    expect(lines()).toMatchObject([{ msg: "c" }]);
  });

  test("never writes what is under the name of a secret, also not in a child's own fields", () => {
    const { logger, lines } = capture();
    logger.info("request", { token: "s3cret", seed: "s3cret", key: "s3cret", headers: { authorization: "s3cret" } });
    logger.child({ token: "s3cret" }).info("child");
    expect(JSON.stringify(lines())).not.toContain("s3cret");
    expect(lines()).toMatchObject([{ headers: { authorization: "[redacted]" } }, { token: "[redacted]" }]);
  });

  test("writes errors with code and cause", () => {
    const { logger, lines } = capture();
    const error = new EasynetError("STORAGE_FULL", { path: "/x" }, { cause: new TypeError("deeper") });
    logger.error("failed", { error });
    expect(lines()).toMatchObject([{ error: { code: "STORAGE_FULL", message: expect.stringContaining("deeper") } }]);
  });

  test("a line is in the file when the call returns", () => {
    const path = join(folder, "node.log");
    const logger = createLogger({ destination: path });
    logger.info("first");
    expect(readFileSync(path, "utf8")).toContain('"msg":"first"');
    createLogger({ destination: path }).info("second");
    expect(readFileSync(path, "utf8").trim().split("\n")).toHaveLength(2);
  });

  test("a file that cannot be opened is a typed error", () => {
    const open = (): unknown => createLogger({ destination: join(folder, "missing", "node.log") });
    expect(open).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });
});

describe("log files", () => {
  test("are renamed at their limit, and what is written stays whole", () => {
    const path = join(folder, "small.log");
    const file = openLogFile(path, 100);
    for (let index = 0; index < 7; index += 1) file.write(`${String(index).repeat(39)}\n`);
    const read = (name: string): string => readFileSync(name, "utf8");
    expect(read(`${path}.1`) + read(path)).toBe(["4", "5", "6"].map((digit) => `${digit.repeat(39)}\n`).join(""));
    expect(statSync(path).size).toBeLessThanOrEqual(100);
  });

  test.skipIf(process.platform === "win32")("are readable by their owner only", () => {
    const path = join(folder, "private.log");
    openLogFile(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test.skipIf(!existsSync("/dev/full"))("a full disk drops lines and does not throw", () => {
    const descriptor = openSync("/dev/full", "w");
    const destination = openDescriptor(descriptor);
    expect(() => destination.write("lost\n")).not.toThrow();
    closeSync(descriptor);
    const path = join(folder, "again.log");
    const again = openSync(path, "a");
    expect(again).toBe(descriptor);
    destination.write("kept\n");
    closeSync(again);
    expect(readFileSync(path, "utf8")).toBe('{"level":"warn","msg":"log lines were lost","count":1}\nkept\n');
  });
});
