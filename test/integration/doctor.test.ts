import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../packages/easynet/src/kernel/index.ts";
import { examineMachine, loadConfig } from "../../packages/easynet/src/node/index.ts";
import { cli } from "./cli-process.ts";
import { TestNetwork, until } from "../support/network.ts";
import { runCommand, SOURCE_COMMAND } from "./up-process.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Report {
  readonly ok: boolean;
  readonly findings: readonly {
    readonly fact: string;
    readonly state: string;
    readonly observed: string;
    readonly mend?: string;
  }[];
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
    const { status, report } = doctor(newHome());
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

  test("a taken port is told from a free one, and what it means to who chose it and to who did not", async () => {
    const home = newHome();
    using blocker = await listening();
    process.env["EASYNET_API_PORT"] = String(blocker.port);
    process.env["EASYNET_MDNS"] = "off";
    try {
      const { report } = doctor(home, "--lang", "zh");
      const taken = report.findings.find(({ fact }) => fact === "port-blocked");
      expect(taken?.observed).toContain(`${blocker.port} 被其他程序占用`);
      expect(taken?.mend).toContain("easynet up --api-port 0");
      process.env["EASYNET_API_HOST"] = "192.0.2.1";
      const forbidden = doctor(home).report.findings.find(({ fact }) => fact === "port-forbidden");
      expect(forbidden?.observed).toContain("192.0.2.1: EADDRNOTAVAIL");
      // Nobody set this one: any other will do.
      expect(await examinePortsWith(home, blocker.port)).toContain("port-taken");
    } finally {
      delete process.env["EASYNET_API_PORT"];
      delete process.env["EASYNET_API_HOST"];
      delete process.env["EASYNET_MDNS"];
    }
  });

  test("a local API that nobody serves, that another program serves, and what a killed node left behind", async () => {
    const home = newHome();
    writeFileSync(join(home, "token"), "x");
    const says = (run: { readonly pid: number; readonly apiUrl: string }): Promise<readonly string[]> => {
      writeFileSync(join(home, "run.json"), JSON.stringify({ ...run, did: "d", name: "n", startedAtMs: 0 }));
      return doctorBeside(home);
    };
    const apiUrl = "http://127.0.0.1:1";
    expect(await says({ pid: process.pid, apiUrl })).toContain("api-refused");
    expect(await says({ pid: 2 ** 22 + 1, apiUrl })).toContain("node-stopped");
    using other = await listening((response) => response.end("hello"));
    expect(await says({ pid: process.pid, apiUrl: `http://127.0.0.1:${other.port}` })).toContain("api-foreign");
  });

  test("a running node's API answers, and it met no second process with its key", async () => {
    await using network = new TestNetwork();
    const one = await network.start("one");
    const facts = await doctorBeside(one.node.home);
    expect(facts).toEqual(expect.arrayContaining(["api-answers", "identity-alone"]));
  });
});

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), "easynet-doctor-"));
  folders.push(home);
  return home;
}

/** A program of somebody else on any free port. */
async function listening(
  answer: (response: ServerResponse) => void = () => undefined,
): Promise<Disposable & { readonly port: number }> {
  const server = createHttpServer((_request, response) => answer(response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return { port, [Symbol.dispose]: () => void server.close() };
}

/** The command in this process, so that servers of this process can answer it. */
async function doctorBeside(home: string): Promise<readonly string[]> {
  const { stdout } = await cli(["doctor", "--json"], { home, env: { EASYNET_MDNS: "off" } });
  return factsOf(JSON.parse(stdout));
}

async function examinePortsWith(home: string, apiPort: number): Promise<readonly string[]> {
  const loaded = loadConfig({ env: { EASYNET_MDNS: "off" }, flags: { home } });
  const value = { ...loaded.value, apiPort };
  const findings = await examineMachine({ loaded: { ...loaded, value }, clock: systemClock, nodeRuns: false });
  return findings.map(({ fact }) => fact);
}
