import { Agent, request } from "node:http";
import type { LoadFigures } from "../../test/support/consensus-child.ts";

export interface EtcdLoad {
  readonly endpoint: string;
  readonly size: number;
  readonly outstanding: number;
  readonly durationMs: number;
}

/** Writes to etcd through its JSON gateway with kept connections, so many at once, for a time. */
export async function loadEtcd({ endpoint, size, outstanding, durationMs }: EtcdLoad): Promise<LoadFigures> {
  const agent = new Agent({ keepAlive: true, maxSockets: outstanding });
  const value = Buffer.alloc(size, 7).toString("base64");
  const latencies: number[] = [];
  const startedAt = performance.now();
  const endsAt = startedAt + durationMs;
  const writer = async (number: number): Promise<void> => {
    for (let round = 0; performance.now() < endsAt; round++) {
      const key = Buffer.from(`load/${number}/${round % 16}`).toString("base64");
      const sentAt = performance.now();
      await post({ url: `${endpoint}/v3/kv/put`, body: JSON.stringify({ key, value }), agent });
      latencies.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: outstanding }, async (_, number) => writer(number)));
  const elapsedMs = performance.now() - startedAt;
  agent.destroy();
  latencies.sort((one, other) => one - other);
  const at = (ratio: number): number => Math.round((latencies[Math.floor(latencies.length * ratio)] ?? 0) * 1000);
  return { perSecond: (latencies.length / elapsedMs) * 1000, p50Us: at(0.5), p99Us: at(0.99) };
}

async function post({
  url,
  body,
  agent,
}: {
  readonly url: string;
  readonly body: string;
  readonly agent: Agent;
}): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const sent = request(
      url,
      { method: "POST", agent, headers: { "content-length": Buffer.byteLength(body) } },
      (answer) => {
        answer.resume();
        answer.once("end", () => {
          if (answer.statusCode === 200) resolve();
          else reject(new Error(`etcd answered ${answer.statusCode}`));
        });
      },
    );
    sent.once("error", reject);
    sent.end(body);
  });
}
