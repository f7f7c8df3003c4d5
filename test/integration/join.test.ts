import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { encodeInviteCode, generateKeyPair, parseInviteCode } from "../../packages/easynet/src/identity/index.ts";
import { serveNode, type ServedNode } from "../../packages/easynet/src/gateway/index.ts";
import {
  askForApproval,
  Home,
  joinNetwork,
  leaveNetwork,
  loadConfig,
  type LoadedConfig,
} from "../../packages/easynet/src/node/index.ts";
import { verifies } from "../requirements.ts";
import { callOn, share, TestNetwork, until } from "../support/network.ts";

verifies("mesh:p2p:join", "identity:auth:certificate");

const add = (a: number, b: number): number => a + b;

function configOf(network: TestNetwork, name: string): LoadedConfig {
  const flags = { home: join(network.folder, name), name, listenHost: "127.0.0.1", listenPort: 0, apiPort: 0 };
  return loadConfig({ env: {}, flags: { ...flags, mdns: false, logLevel: "silent" } });
}

async function startJoined(network: TestNetwork, name: string): Promise<ServedNode> {
  const served = await serveNode(configOf(network, name));
  network.nodes.push(served);
  return served;
}

async function codeOf(served: ServedNode, uses = 1): Promise<string> {
  return (await served.node.joining.invite({ uses })).code ?? "";
}

describe("a code", () => {
  test("makes a machine a member: it links, is called, and calls", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const code = await codeOf(amber);
    const membership = await joinNetwork(configOf(network, "cobalt"), { code });
    expect(membership).toMatchObject({ networkName: "home", network: amber.node.status().network.did });
    expect(new Home(join(network.folder, "cobalt")).rootKey()).toBeUndefined();
    const cobalt = await startJoined(network, "cobalt");
    await share(cobalt, { add });
    await until("amber hears of it", () => amber.node.offers({ capability: "add" }).length === 1);
    expect((await callOn(amber, "add", { args: [2, 3] })).end).toMatchObject({ type: "final", value: 5 });
    expect(amber.node.joining.invites()).toMatchObject([{ joined: [cobalt.node.did], usesMax: 1 }]);
  });

  test("is good once: a second machine is refused, the first may ask again as after a lost answer", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const code = await codeOf(amber);
    await joinNetwork(configOf(network, "cobalt"), { code });
    await expect(joinNetwork(configOf(network, "thief"), { code })).rejects.toMatchObject({ code: "INVITE_USED" });
    expect(new Home(join(network.folder, "thief")).membership()).toBeUndefined();
    leaveNetwork(join(network.folder, "cobalt"), { confirmed: false });
    await joinNetwork(configOf(network, "cobalt"), { code });
    expect(amber.node.joining.invites()[0]?.joined).toHaveLength(1);
  });

  test("stays used when the issuer is started anew", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const code = await codeOf(amber);
    await joinNetwork(configOf(network, "cobalt"), { code });
    const port = Number(/tcp\/(\d+)/.exec(amber.node.status().addresses[0] ?? "")?.[1]);
    await amber.stop();
    const config = configOf(network, "amber");
    const again = await serveNode({ ...config, value: { ...config.value, listenPort: port } });
    network.nodes.push(again);
    await expect(joinNetwork(configOf(network, "thief"), { code })).rejects.toMatchObject({ code: "INVITE_USED" });
  });

  test("for two machines that race admits exactly one", async () => {
    await using network = new TestNetwork();
    const code = await codeOf(await network.start("amber"));
    const racing = ["a", "b", "c", "d"].map((name) => joinNetwork(configOf(network, name), { code }));
    const outcomes = await Promise.allSettled(racing);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("that was called back, or is of another network, admits nobody", async () => {
    await using network = new TestNetwork();
    await using strangers = new TestNetwork();
    const amber = await network.start("amber");
    const jade = await strangers.start("jade");
    const made = await amber.node.joining.invite();
    await amber.node.joining.revoke(made.id);
    const config = configOf(network, "cobalt");
    await expect(joinNetwork(config, { code: made.code ?? "" })).rejects.toMatchObject({ code: "INVITE_REVOKED" });
    // The other network's invitation, altered so that it leads here: this issuer never signed it.
    const foreign = parseInviteCode(await codeOf(jade));
    const here = { issuer: amber.node.did, issuerAddresses: amber.node.status().addresses };
    const altered = encodeInviteCode({ ...foreign, ...here });
    await expect(joinNetwork(config, { code: altered })).rejects.toMatchObject({ code: "INVITE_INVALID" });
  });

  test("whose addresses were altered tells the secret to nobody and names each address", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const jade = await network.start("jade");
    const invite = parseInviteCode(await codeOf(amber));
    const closed = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => closed.once("listening", resolve));
    const address = closed.address();
    closed.close();
    const dead = `/ip4/127.0.0.1/tcp/${typeof address === "object" ? address?.port : 0}`;
    const altered = encodeInviteCode({ ...invite, issuerAddresses: [dead, jade.node.status().addresses[0] ?? ""] });
    const failure = await joinNetwork(configOf(network, "cobalt"), { code: altered }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "PEER_UNREACHABLE" });
    expect(String(failure)).toContain(dead);
    expect(String(failure)).toContain("another key answered");
    expect(amber.node.joining.invites()[0]?.joined).toEqual([]);
  });

  test("works through another member when the issuer cannot be dialled", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const jade = await network.start("jade");
    await until("jade is linked", () => jade.node.peers().length === 1);
    const invite = parseInviteCode(await codeOf(amber));
    const code = encodeInviteCode({ ...invite, issuerAddresses: [], memberAddresses: jade.node.status().addresses });
    await joinNetwork(configOf(network, "cobalt"), { code });
    const thief = joinNetwork(configOf(network, "thief"), { code });
    await expect(thief).rejects.toThrow(/used by another machine/);
    expect(amber.node.joining.invites()[0]?.joined).toHaveLength(1);
  });

  test("is refused where the folder is in another network; leaving makes room, the creator has to insist", async () => {
    await using network = new TestNetwork();
    await using own = new TestNetwork();
    const amber = await network.start("amber");
    const { code = "" } = await amber.node.joining.invite({ memberOnly: true });
    const cobalt = await own.start("cobalt");
    const config = configOf(own, "cobalt");
    await expect(joinNetwork(config, { code })).rejects.toMatchObject({ code: "NODE_ALREADY_RUNNING" });
    await expect(cobalt.node.leave({ confirmed: false })).rejects.toMatchObject({ code: "LEAVE_UNCONFIRMED" });
    await cobalt.stop();
    await expect(joinNetwork(config, { code })).rejects.toMatchObject({ code: "ALREADY_MEMBER" });
    expect(() => leaveNetwork(config.value.home, { confirmed: false })).toThrow(/root key/);
    leaveNetwork(config.value.home, { confirmed: true });
    await joinNetwork(config, { code });
    const joined = await serveNode(config);
    own.nodes.push(joined);
    // The root key of the network it left stays in the folder and opens nothing here.
    expect(joined.node.did).toBe(cobalt.node.did);
    expect(joined.node.status().network.did).toBe(network.nodes[0]?.node.status().network.did);
    await expect(joined.node.joining.invite()).rejects.toMatchObject({ code: "INVITE_RIGHT_MISSING" });
  });
});

describe("without a code", () => {
  test("a machine waits until a person lets it in, and gets nothing before", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const asked: string[] = [];
    amber.node.onEvent((event) => {
      if (event.type === "join-asked") asked.push(event.name);
    });
    const seen = Promise.withResolvers<{ readonly own: string; readonly issuer: string }>();
    const config = configOf(network, "cobalt");
    const address = amber.node.status().addresses[0] ?? "";
    const joined = askForApproval(config, { address, onPending: seen.resolve });
    const { own, issuer } = await seen.promise;
    expect(issuer).toBe(amber.node.did);
    expect(amber.node.joining.pending()).toMatchObject([{ did: own, name: "cobalt", approved: false }]);
    expect(new Home(config.value.home).membership()).toBeUndefined();
    await expect(amber.node.joining.approve("nobody")).rejects.toThrow(/nobody/);
    await amber.node.joining.approve("cobalt");
    expect(await joined).toMatchObject({ networkName: "home", member: own });
    expect(asked).toEqual(["cobalt"]);
    const cobalt = await startJoined(network, "cobalt");
    await until("linked", () => cobalt.node.peers().length === 1);
  });

  test("a member only lets nobody in", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const { code = "" } = await amber.node.joining.invite({ memberOnly: true });
    await joinNetwork(configOf(network, "jade"), { code });
    const jade = await startJoined(network, "jade");
    const config = configOf(network, "cobalt");
    const invite = await codeOf(amber);
    const through = { issuer: jade.node.did, issuerAddresses: jade.node.status().addresses };
    const altered = encodeInviteCode({ ...parseInviteCode(invite), ...through });
    await expect(joinNetwork(config, { code: altered })).rejects.toMatchObject({ code: "INVITE_INVALID" });
    await expect(jade.node.joining.invite()).rejects.toMatchObject({ code: "INVITE_RIGHT_MISSING" });
    const approved = jade.node.joining.approve(generateKeyPair().did);
    await expect(approved).rejects.toThrow(/may not let others in/);
  });

  test("a person may sit at another member than the one that was asked, which may be a member only", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const { code = "" } = await amber.node.joining.invite({ memberOnly: true });
    await joinNetwork(configOf(network, "jade"), { code });
    const jade = await startJoined(network, "jade");
    await until("linked", () => amber.node.peers().length === 1);
    const events: string[] = [];
    amber.node.onEvent((event) => {
      if (event.type === "join-asked") events.push(event.name);
    });
    const config = configOf(network, "cobalt");
    const address = jade.node.status().addresses[0] ?? "";
    const joined = askForApproval(config, { address, onPending: () => undefined });
    await until("amber hears of it", () => amber.node.joining.pending().length === 1);
    expect(amber.node.joining.pending()).toMatchObject([{ name: "cobalt", via: jade.node.did, approved: false }]);
    expect(await amber.node.joining.approve("cobalt")).toMatchObject({ name: "cobalt", approved: true });
    expect(await joined).toMatchObject({ networkName: "home", network: amber.node.status().network.did });
    expect(events).toEqual(["cobalt"]);
    const cobalt = await startJoined(network, "cobalt");
    await until("linked", () => cobalt.node.peers().length === 2);
    expect((await cobalt.node.joining.invite()).usesMax).toBe(1);
  });
});

describe("without the machine that made the network", () => {
  test("any member lets others in, by code and by approval, and they let in others again", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    await joinNetwork(configOf(network, "jade"), { code: await codeOf(amber) });
    const jade = await startJoined(network, "jade");
    await until("jade is linked", () => jade.node.peers().length === 1);
    await amber.stop();

    await joinNetwork(configOf(network, "cobalt"), { code: await codeOf(jade) });
    const cobalt = await startJoined(network, "cobalt");
    const asked = Promise.withResolvers<{ readonly own: string }>();
    const config = configOf(network, "onyx");
    const address = cobalt.node.status().addresses[0] ?? "";
    const approved = askForApproval(config, { address, onPending: asked.resolve });
    await cobalt.node.joining.approve((await asked.promise).own);
    await approved;
    const onyx = await startJoined(network, "onyx");
    await share(onyx, { add });
    await until("jade hears of onyx", () => jade.node.offers({ capability: "add" }).length === 1);
    expect((await callOn(jade, "add", { args: [2, 3] })).end).toMatchObject({ type: "final", value: 5 });
    expect(onyx.node.status().network).toEqual(jade.node.status().network);
  });
});
