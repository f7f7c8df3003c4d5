/** The command on machines of their own (network namespaces without a default route), as people type it. */
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { captureMissing, Machines } from "../support/machines.ts";
import { namespacesMissing } from "../support/namespaces.ts";
import { verifies } from "../requirements.ts";
import { BUILT_COMMAND } from "../integration/up-process.ts";

const missing = namespacesMissing();
const noCapture = missing ?? captureMissing();
const because = (reason: string | undefined): string => (reason === undefined ? "" : ` (${reason})`);
const WORDS_COUNT = 20_000;

describe.skipIf(missing !== undefined)(`machines on one cable or switch${because(missing)}`, () => {
  verifies("mesh:p2p:join", "mesh:discovery:mdns", "mesh:p2p:no-centre");

  test("up, join by code, call across; after both changed their addresses they find each other by multicast", async () => {
    await using machines = new Machines(BUILT_COMMAND, ["a", "b"]);
    const { net } = machines;
    net.join("a", "b", ["10.73.1.1/24", "10.73.1.2/24"]);
    const up = await machines.start("a", "up");
    expect(up.stdout).toContain("10.73.1.1");
    expect((await machines.start("b", "join", machines.invite("a"))).stdout).toMatch(/^joined "home" · a is /);
    expect(machines.runUntil("a", ["call", "count-words", "one two", "--target", "b"]).stdout).toBe("2\n");
    expect(machines.runUntil("b", ["call", "echo", "across", "--target", "a"]).stdout).toBe("across\n");

    await machines.stop("a");
    await machines.stop("b");
    // What each kept of the other now leads nowhere.
    for (const [label, other, old, fresh] of [
      ["a", "b", "10.73.1.1/24", "10.73.9.1/24"],
      ["b", "a", "10.73.1.2/24", "10.73.9.2/24"],
    ] as const) {
      net.ip(label, "addr", "del", old, "dev", `to-${other}`);
      net.ip(label, "addr", "add", fresh, "dev", `to-${other}`);
    }
    await machines.start("a", "up");
    await machines.start("b", "up");
    expect(machines.runUntil("b", ["call", "count-words", "again here", "--target", "a"]).stdout).toBe("2\n");
    await expect.poll(() => machines.doctor("b"), { timeout: 15_000 }).toContainEqual(heard(1));
  }, 120_000);

  test("approval instead of a code: the new machine asks, a person lets it in, calls go across", async () => {
    await using machines = new Machines(BUILT_COMMAND, ["a", "b"]);
    machines.net.join("a", "b", ["10.73.2.1/24", "10.73.2.2/24"]);
    await machines.start("a", "up");
    // Without an address: a is found by multicast.
    const joining = machines.start("b", "join", "--ask");
    await expect
      .poll(() => JSON.parse(machines.run("a", "approve", "--json").stdout).joins, { timeout: 15_000 })
      .toHaveLength(1);
    expect(machines.run("a", "approve", "b").status).toBe(0);
    expect((await joining).stdout).toMatch(/^joined "home" · a is /);
    expect(machines.runUntil("a", ["call", "echo", "approved", "--target", "b"]).stdout).toBe("approved\n");
  }, 120_000);

  test("a switch that eats multicast: nobody is heard, and a code alone makes the same network", async () => {
    await using machines = new Machines(BUILT_COMMAND, ["a", "b", "switch"]);
    const ports = [
      ["a", "10.73.3.1/24"],
      ["b", "10.73.3.2/24"],
    ] as const;
    machines.net.bridge("switch", ports, { multicast: false });
    await machines.start("a", "up");
    await machines.start("b", "join", machines.invite("a"));
    expect(machines.runUntil("a", ["call", "count-words", "by code alone", "--target", "b"]).stdout).toBe("3\n");
    for (const label of ["a", "b"]) {
      const findings = machines.doctor(label);
      expect(findings).toContainEqual(expect.objectContaining({ fact: "multicast-alone" }));
      expect(findings).toContainEqual(heard(0));
      expect(machines.peersOf(label)).toHaveLength(1);
    }
  }, 120_000);

  test("the same switch with multicast: both are heard, so that the silence above means something", async () => {
    await using machines = new Machines(BUILT_COMMAND, ["a", "b", "switch"]);
    const ports = [
      ["a", "10.73.3.1/24"],
      ["b", "10.73.3.2/24"],
    ] as const;
    machines.net.bridge("switch", ports, { multicast: true });
    await machines.start("a", "up");
    await machines.start("b", "join", machines.invite("a"));
    machines.runUntil("a", ["call", "echo", "1", "--target", "b"]);
    await expect.poll(() => machines.doctor("a"), { timeout: 20_000 }).toContainEqual(heard(1));
  }, 120_000);
});

describe.skipIf(noCapture !== undefined)(`a and c that reach one another only through b${because(noCapture)}`, () => {
  verifies("mesh:route:forward", "mesh:p2p:no-centre");

  test("a call from a to c works, and neither b's cables nor b's memory ever hold what it says", async () => {
    await using machines = new Machines(BUILT_COMMAND, ["a", "b", "c"]);
    machines.net.join("a", "b", ["10.73.4.1/24", "10.73.4.2/24"]);
    machines.net.join("b", "c", ["10.73.5.2/24", "10.73.5.3/24"]);
    await machines.start("b", "up");
    for (const label of ["a", "c"]) await machines.start(label, "join", machines.invite("b"));
    machines.runUntil("a", ["call", "echo", "ready", "--target", "c"]);
    expect(machines.peersOf("a")).toContainEqual(expect.objectContaining({ name: "c", via: "b" }));

    const [sent, control, toRelay] = ["secret-of-the-payload", "control-packet-in-plain-text", "meant-for-the-relay"];
    const capture = await machines.capture("b", ["to-a", "to-c"]);
    sendDatagram(machines, control);
    const payload = `${sent} `.repeat(WORDS_COUNT / 4);
    const called = machines.run("a", "call", "count-words", payload, "--target", "c");
    expect(called.stdout).toBe(`${WORDS_COUNT}\n`);
    expect(machines.run("a", "call", "echo", toRelay, "--target", "b").stdout).toBe(`${toRelay}\n`);
    const [sentAtC = 0] = machines.inMemory("c", [sent]);
    const [sentAtB, toRelayAtB = 0] = machines.inMemory("b", [sent, toRelay]);
    const packets = await capture.stop();

    // The capture and the scan see what there is to see.
    expect(packets.includes(control)).toBe(true);
    expect(packets.length).toBeGreaterThan(2 * payload.length);
    expect(sentAtC).toBeGreaterThan(0);
    expect(toRelayAtB).toBeGreaterThan(0);
    expect(packets.includes(sent)).toBe(false);
    expect(sentAtB).toBe(0);
  }, 120_000);
});

/** What the doctor says when that many members were heard by multicast and are linked. */
function heard(count: number): unknown {
  return expect.objectContaining({ fact: "heard-linked", values: { heard: count, linked: count } });
}

/** From a to b, as anybody could. */
function sendDatagram(machines: Machines, text: string): void {
  const source = `import dgram from "node:dgram";
    const socket = dgram.createSocket("udp4");
    socket.send(${JSON.stringify(text)}, 9999, "10.73.4.2", () => socket.close());`;
  const [program = "", ...rest] = machines.net.prefix("a");
  execFileSync(program, [...rest, process.execPath, "--input-type=module", "--eval", source]);
}
