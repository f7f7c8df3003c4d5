import { createServer } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { TestNetwork, until } from "../support/network.ts";
import { runCommand, SOURCE_COMMAND } from "./up-process.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Report {
  readonly ok: boolean;
  readonly findings: readonly { readonly fact: string; readonly state: string; readonly observed: string }[];
}

function doctor(home: string, ...args: readonly string[]): { status: number | null; report: Report } {
  const { status, stdout } = runCommand(SOURCE_COMMAND, ["doctor", "--json", ...args], home);
  return { status, report: JSON.parse(stdout) };
}

function factsOf({ findings }: Report): readonly string[] {
  return findings.map(({ fact }) => fact);
}

describe("easynet doctor", () => {
  test("works without a node, and says so", () => {
    const home = mkdtempSync(join(tmpdir(), "easynet-doctor-"));
    folders.push(home);
    const { status, report } = doctor(home);
    expect(factsOf(report)).toEqual(expect.arrayContaining(["node-version-ok", "membership-none", "node-stopped"]));
    expect(status).toBe(report.ok ? 0 : 1);
  });

  test("tells that two linked nodes reach each other and how their clocks differ", async () => {
    await using network = new TestNetwork();
    const one = await network.start("one");
    const other = await network.start("other", { bootstrap: one.node.status().addresses });
    await until("linked", () => one.node.peers().length === 1 && one.node.peers()[0]?.rttMs !== undefined);
    const findings = await other.node.examine();
    expect(findings).toContainEqual(expect.objectContaining({ fact: "reach-direct", values: { name: "one" } }));
    expect(findings.some(({ fact }) => fact === "clock-ok")).toBe(true);
  });

  test("a taken port is told from a free one", async () => {
    const home = mkdtempSync(join(tmpdir(), "easynet-doctor-"));
    folders.push(home);
    const blocker = createServer();
    await new Promise<void>((resolve) => {
      blocker.listen(0, "127.0.0.1", resolve);
    });
    const address = blocker.address();
    const port = typeof address === "object" && address ? address.port : 0;
    process.env["EASYNET_API_PORT"] = String(port);
    try {
      const { report } = doctor(home, "--lang", "zh");
      const taken = report.findings.find(({ fact }) => fact === "port-taken");
      expect(taken?.observed).toContain(`${port} 被其他程序占用`);
    } finally {
      delete process.env["EASYNET_API_PORT"];
      blocker.close();
    }
  });
});
