import { connect, createServer, type TLSSocket } from "node:tls";
import { type Channel, coalescingWriter, type Far, frameReader, type System } from "./channel.ts";
import { selfSigned } from "./certificate.ts";

/** The floor: node:tls 1.3 with a five-byte frame, written coalesced, and nothing else. */
export const tlsSystem: System = { listen, connect: dial };

function channelOf(socket: TLSSocket): Channel {
  socket.setNoDelay(true);
  const write = coalescingWriter((bytes) => socket.write(bytes));
  return {
    send: (kind, body) => write(kind, body) && !socket.writableNeedDrain,
    drained: () =>
      new Promise((resolve) => {
        if (socket.writableNeedDrain) socket.once("drain", resolve);
        else setImmediate(resolve);
      }),
    onMessage: (handler) => void socket.on("data", frameReader(handler)),
    close: () =>
      new Promise((resolve) => {
        socket.end(resolve);
      }),
  };
}

async function listen(): Promise<Far> {
  const { promise, resolve } = Promise.withResolvers<Channel>();
  const server = createServer({ ...selfSigned(), minVersion: "TLSv1.3" }, (socket) => {
    server.close();
    resolve(channelOf(socket));
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  const bound = server.address();
  return { address: typeof bound === "object" ? bound?.port : undefined, channel: promise };
}

async function dial(address: unknown): Promise<Channel> {
  const socket = connect({
    port: Number(address),
    host: "127.0.0.1",
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  return channelOf(socket);
}
