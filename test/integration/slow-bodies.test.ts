/** Who opens a request and does not send its body holds no connection for long, with or without the token. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test, vi } from "vitest";
import { BODY_TIMEOUT_MS } from "../../packages/easynet/src/gateway/limits.ts";
import { VirtualClock } from "../../packages/easynet/src/testing/index.ts";
import { startTestGateway, TOKEN } from "./gateway-client.ts";

interface Slow {
  readonly socket: Socket;
  readonly ended: Promise<unknown>;
  readonly text: () => string;
}

/** Sends the head of a request and the first byte of its body. */
async function slowly(url: string, path: string, token: string): Promise<Slow> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  const parts: string[] = [];
  socket.setEncoding("utf8").on("data", (part: string) => void parts.push(part));
  socket.on("error", () => undefined);
  const type = path === "/api/artifacts" ? "application/octet-stream" : "application/json";
  const head = [`POST ${path} HTTP/1.1`, `host: ${host}`, `content-type: ${type}`, `authorization: Bearer ${token}`];
  socket.write(`${head.join("\r\n")}\r\ncontent-length: 10\r\n\r\n{`);
  return { socket, ended: once(socket, "close"), text: () => parts.join("") };
}

test("a body that does not come is cut off, but that of an artifact only without the token", async () => {
  const clock = new VirtualClock();
  const { gateway, node } = await startTestGateway({ clock });
  const call = await slowly(gateway.url, "/api/call", TOKEN);
  const stranger = await slowly(gateway.url, "/api/artifacts", "not-the-token-0123456789");
  const upload = await slowly(gateway.url, "/api/artifacts", TOKEN);
  await vi.waitFor(() => expect(stranger.text()).toMatch(/^HTTP\/1\.1 401 /));
  // The others were read as far as the byte that came.
  await vi.waitFor(() => expect([call, upload].map(({ socket }) => socket.bytesWritten > 100)).toEqual([true, true]));
  await new Promise((resolve) => {
    setTimeout(resolve, 100);
  });
  await clock.advanceAsync(BODY_TIMEOUT_MS - 1);
  expect(call.socket.closed).toBe(false);
  await clock.advanceAsync(1);
  await Promise.all([call.ended, stranger.ended]);
  expect(call.text()).toMatch(/^HTTP\/1\.1 408 /);
  expect(upload.socket.closed).toBe(false);
  upload.socket.write("123456789");
  await vi.waitFor(() => expect(upload.text()).toMatch(/^HTTP\/1\.1 200 /));
  expect(node.artifacts.list()).toMatchObject([{ bytes: 10 }]);
  upload.socket.destroy();
  await gateway.close();
});
