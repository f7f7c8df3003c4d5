import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { generateKeyPair } from "../identity/index.ts";
import { Home, readRunFile } from "./home.ts";

function newHome(): Home {
  const path = mkdtempSync(join(tmpdir(), "easynet-home-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return new Home(path);
}

const run = { did: "did:key:x", name: "x", apiUrl: "http://127.0.0.1:1", startedAtMs: 0 };

describe("the folder of a node", () => {
  test("keys and token are made once, kept, and readable by their owner only", () => {
    const home = newHome();
    const [did, token, agent] = [home.nodeKey().did, home.token(), home.agentKey("a/b").did];
    const again = new Home(home.path);
    expect([again.nodeKey().did, again.token(), again.agentKey("a/b").did]).toEqual([did, token, agent]);
    expect(token.length).toBeGreaterThanOrEqual(32);
    for (const file of ["node.key", "token", "agents/a%2Fb.key"]) {
      expect(statSync(join(home.path, file)).mode & 0o077).toBe(0);
    }
    expect(readdirSync(home.path).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("only the machine that created the network has its root key", () => {
    const home = newHome();
    expect(home.rootKey()).toBeUndefined();
    const did = home.createRootKey().did;
    expect(home.rootKey()?.did).toBe(did);
  });

  test("a damaged key or membership is an error, never a new identity", () => {
    const home = newHome();
    writeFileSync(join(home.path, "node.key"), "short");
    expect(() => home.nodeKey()).toThrow(/32/);
    writeFileSync(join(home.path, "membership.json"), '{"network": 1}');
    expect(() => home.membership()).toThrow(/membership.json/);
  });

  test("one process at a time: a second lock is refused until the first is given back", () => {
    const home = newHome();
    const lock = home.lock();
    expect(() => home.lock()).toThrow(/already runs/);
    home.saveRunFile({ ...run, pid: process.pid });
    expect(home.running()).toMatchObject({ apiUrl: run.apiUrl });
    lock[Symbol.dispose]();
    expect(home.running()).toBeUndefined();
    expect(existsSync(join(home.path, "lock"))).toBe(false);
    home.lock()[Symbol.dispose]();
  });

  test("the lock and run file of a process that died without a word do not count", () => {
    const home = newHome();
    // Larger than any process id that Linux gives out (2^22).
    const dead = 2 ** 30;
    writeFileSync(join(home.path, "lock"), String(dead));
    home.saveRunFile({ ...run, pid: dead });
    expect(readRunFile(home.path)).toBeUndefined();
    home.lock()[Symbol.dispose]();
  });

  test("a membership is kept as it was given", () => {
    const home = newHome();
    const membership = {
      network: generateKeyPair().did,
      networkName: "home",
      member: home.nodeKey().did,
      delegation: Buffer.from("x").toString("base64"),
      addresses: ["127.0.0.1:1"],
    };
    home.saveMembership(membership);
    expect(new Home(home.path).membership()).toEqual(membership);
  });
});
