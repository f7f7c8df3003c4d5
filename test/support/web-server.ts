import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, request, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";

/** A web server in front of a node, as nginx or Caddy would be: passes WebSockets of one path on, and sees them. */
export class WebServer implements AsyncDisposable {
  readonly seen: Buffer[] = [];
  readonly #server: Server;
  /** Upgraded ones, which the server itself forgets. */
  readonly #passed = new Set<Duplex>();
  readonly port: number;

  /** @param certificate of an https server; undefined = http */
  static async start(target: { readonly port: number }, certificate?: WebCertificate): Promise<WebServer> {
    const server = certificate ? createHttpsServer(certificate) : createHttpServer();
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const bound = server.address();
    return new WebServer(server, target.port, typeof bound === "object" && bound ? bound.port : 0);
  }

  private constructor(server: Server, targetPort: number, port: number) {
    this.port = port;
    this.#server = server;
    server.on("request", (_, response) => response.writeHead(404).end("only a web site"));
    server.on("upgrade", (asked, near, head) => {
      near.on("error", () => undefined);
      this.#passed.add(near);
      if (asked.url !== "/easynet") {
        near.end("HTTP/1.1 404 Not Found\r\n\r\n");
        return;
      }
      const passed = request({ host: "127.0.0.1", port: targetPort, headers: asked.headers, path: asked.url });
      passed.on("error", () => near.destroy());
      passed.on("upgrade", (answer, far, farHead) => {
        const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${String(value)}`);
        near.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("\r\n")}\r\n\r\n`);
        near.write(farHead);
        far.write(head);
        for (const [from, to] of [[near, far] as const, [far, near] as const]) {
          from.on("data", (chunk: Buffer) => {
            this.seen.push(Buffer.from(chunk));
            to.write(chunk);
          });
          from.on("close", () => to.destroy());
          from.on("error", () => to.destroy());
        }
      });
      passed.end();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#passed) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface WebCertificate {
  readonly cert: string;
  readonly key: string;
}

/** For `localhost`, signed by itself. */
export function makeCertificate(): WebCertificate {
  const folder = mkdtempSync(join(tmpdir(), "easynet-web-"));
  try {
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    execFileSync("openssl", ["req", "-x509", ...kind, ...subject, "-keyout", key, "-out", cert], { stdio: "pipe" });
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
