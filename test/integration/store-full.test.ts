import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";

const CHILD = join(import.meta.dirname, "store-full-child.ts");
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
    const [command, args] = onSmallDisk(process.execPath, CHILD, folder);
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
});
