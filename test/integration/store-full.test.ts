import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";

const child = (name: string): string => join(import.meta.dirname, `${name}-full-child.ts`);
const folder = mkdtempSync(join(tmpdir(), "easynet-full-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file system of 4 MiB in a namespace of its own: a really full disk, gone with the process. */
function onSmallDisk(...command: readonly string[]): readonly [string, readonly string[]] {
  const script = `mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"`;
  return ["unshare", ["--user", "--map-root-user", "--mount", "sh", "-c", script, folder, ...command]];
}

const [probe, probeArgs] = onSmallDisk("true");
const possible = spawnSync(probe, probeArgs).status === 0;

describe("a full disk", () => {
  test.skipIf(!possible)("refuses commits with STORAGE_FULL, keeps what it has, and goes on when there is room", () => {
    const [command, args] = onSmallDisk(process.execPath, child("store"), folder);
    const seen: unknown = JSON.parse(execFileSync(command, args, { encoding: "utf8" }));
    expect(seen).toEqual({
      // Everything up to the first refusal, in order, and nothing of what was refused.
      codes: ["STORAGE_FULL"],
      readableWhileFull: true,
      nothingOfRefused: true,
      committedAfterRoom: true,
      lostAfterReopen: 0,
    });
  });

  test.skipIf(!possible)("refuses an artifact with STORAGE_FULL, keeps nothing of it, and the others whole", () => {
    const [command, args] = onSmallDisk(process.execPath, child("artifacts"), folder);
    expect(JSON.parse(execFileSync(command, args, { encoding: "utf8" }))).toEqual({
      code: "STORAGE_FULL",
      someKept: true,
      damagedWhileFull: 0,
      listedWhileFull: 0,
      nothingOfRefusedCounts: true,
      damagedAfterReopen: 0,
      filesLeft: 0,
    });
  });
});
