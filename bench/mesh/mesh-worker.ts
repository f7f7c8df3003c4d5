/** One of the two processes of a run: `mesh-worker.ts far|near SYSTEM ADDRESS`; takes orders over IPC, answers with figures. */
import { type Channel, KINDS, type System } from "./channel.ts";

export type Order =
  | { readonly do: "rtt"; readonly size: number; readonly count: number; readonly warmup: number }
  | { readonly do: "pump"; readonly size: number; readonly count: number }
  | { readonly do: "cpu" }
  | { readonly do: "exit" };

export type Report =
  | { readonly kind: "ready"; readonly address: unknown }
  | { readonly kind: "connected" }
  | { readonly kind: "rtt"; readonly latenciesUs: readonly number[] }
  | { readonly kind: "pumped" }
  | { readonly kind: "received"; readonly count: number; readonly bytes: number; readonly elapsedMs: number }
  | { readonly kind: "cpu"; readonly cpuUs: number };

const [, , role = "", name = "", addressJson = "null"] = process.argv;
const address: unknown = JSON.parse(addressJson);
const report = (value: Report): void => void process.send?.(value);

async function loadSystem(): Promise<System> {
  if (name === "tls") return (await import("./tls.ts")).tlsSystem;

  if (name === "nats") {
    const { natsSystem, asNatsAddress } = await import("./nats.ts");
    return natsSystem(asNatsAddress(address));
  }
  return (await import("./easynet.ts")).easynetSystem;
}

const onPong: (() => void)[] = [];
let receivedCount = 0;
let receivedBytes = 0;
let firstAtMs = 0;

function serve(channel: Channel): void {
  channel.onMessage((kind, body) => {
    if (kind === KINDS.data) {
      if (receivedCount++ === 0) firstAtMs = performance.now();
      receivedBytes += body.length;
    } else if (kind === KINDS.ping) {
      channel.send(KINDS.pong, Uint8Array.from(body));
    } else if (kind === KINDS.pong) {
      onPong[0]?.();
    } else if (kind === KINDS.end) {
      const elapsedMs = performance.now() - firstAtMs;
      report({ kind: "received", count: receivedCount, bytes: receivedBytes, elapsedMs });
      receivedCount = 0;
      receivedBytes = 0;
    }
  });
}

async function measureRtt(channel: Channel, order: Extract<Order, { do: "rtt" }>): Promise<void> {
  const body = new Uint8Array(order.size).fill(7);
  const latenciesUs: number[] = [];
  await new Promise<void>((resolve) => {
    let sent = 0;
    let sentAtMs = 0;
    const next = (): void => {
      if (sent++ === order.warmup + order.count) return resolve();
      sentAtMs = performance.now();
      channel.send(KINDS.ping, body);
    };
    onPong[0] = () => {
      if (sent > order.warmup) latenciesUs.push((performance.now() - sentAtMs) * 1000);
      next();
    };
    next();
  });
  report({ kind: "rtt", latenciesUs });
}

async function pump(channel: Channel, order: Extract<Order, { do: "pump" }>): Promise<void> {
  const body = new Uint8Array(order.size).fill(7);
  for (let sent = 0; sent < order.count; sent++) {
    if (!channel.send(KINDS.data, body)) await channel.drained();
  }
  channel.send(KINDS.end, new Uint8Array(1));
  report({ kind: "pumped" });
}

async function obey(channel: Channel, order: Order): Promise<void> {
  if (order.do === "rtt") await measureRtt(channel, order);
  else if (order.do === "pump") await pump(channel, order);
  else if (order.do === "cpu") {
    const { user, system } = process.cpuUsage();
    report({ kind: "cpu", cpuUs: user + system });
  } else process.exit(0);
}

const system = await loadSystem();
let channel: Channel;
if (role === "far") {
  const far = await system.listen();
  report({ kind: "ready", address: far.address });
  channel = await far.channel;
} else {
  channel = await system.connect(address);
}
serve(channel);
process.on("message", (order: Order) => void obey(channel, order));
report({ kind: "connected" });
