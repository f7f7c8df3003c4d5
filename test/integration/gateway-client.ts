import { request, type IncomingHttpHeaders } from "node:http";
import { silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { type Gateway, type GatewayOptions, startGateway } from "../../packages/easynet/src/gateway/index.ts";
import { FakeNode } from "../../packages/easynet/src/testing/fake-node.ts";

export const TOKEN = "test-token-0123456789";

/** A gateway over a fake node with a few real functions, on any free loopback port. */
export async function startTestGateway(
  options: Partial<GatewayOptions> & { readonly node?: FakeNode } = {},
): Promise<{ gateway: Gateway; node: FakeNode; stopRequests: () => number }> {
  const node = options.node ?? new FakeNode();
  let stopRequestsCount = 0;
  await node.share("add", ([a, b]) => Number(a) + Number(b));
  await node.share("echo", ([value]) => value);
  await node.share("named", (_args, { kwargs }) => kwargs);
  await node.share("fail", () => {
    throw new TypeError("no");
  });
  await node.share("wait", async (_args, { signal }) => {
    await new Promise((resolve) => {
      signal.addEventListener("abort", resolve, { once: true });
    });
  });
  await node.share("count", ([to]) => countTo(Number(to)), { streaming: true });
  const gateway = await startGateway({
    port: 0,
    token: TOKEN,
    logger: silentLogger,
    onStopRequested: () => void stopRequestsCount++,
    ...options,
    node,
  });
  return { gateway, node, stopRequests: () => stopRequestsCount };
}

async function* countTo(end: number): AsyncGenerator<number, void, void> {
  for (let number = 1; number <= end; number++) {
    yield number;
    await Promise.resolve();
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: unknown;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is when text, else as JSON. */
  readonly body?: unknown;
}

/** A request by node:http, because fetch forbids setting Host and Origin. */
export async function send(url: string, options: RequestOptions = {}): Promise<Answer> {
  const { method = options.body === undefined ? "GET" : "POST", headers = {}, body } = options;
  const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...(payload !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          const isJson = /json/.test(incoming.headers["content-type"] ?? "");
          const parsed: unknown = isJson ? JSON.parse(text) : undefined;
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, body: parsed });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(payload);
  });
}
