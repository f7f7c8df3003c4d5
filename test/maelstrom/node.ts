/** A node of Maelstrom: answers its requests with the product's own services over {@link MaelstromMesh}. */
import { noMetrics, silentLogger, systemClock, systemRandom } from "../../packages/easynet/src/kernel/index.ts";
import { MaelstromMesh } from "./mesh.ts";
import { ERROR_CODES, type MaelstromBody, type MaelstromMessage, RequestError } from "./protocol.ts";
import { createWorkload, type Workload, type WorkloadName } from "./workloads.ts";

export class MaelstromNode {
  readonly #name: WorkloadName;
  readonly #send: (message: MaelstromMessage) => void;
  #self = "";
  #mesh: MaelstromMesh | undefined;
  #workload: Workload | undefined;

  constructor(name: WorkloadName, send: (message: MaelstromMessage) => void) {
    this.#name = name;
    this.#send = send;
  }

  async receive({ src, body }: MaelstromMessage): Promise<void> {
    if (body.type === "link") this.#mesh?.receive(src, body);
    else
      this.#send({
        src: this.#self,
        dest: src,
        body: { ...(await this.#answer(body)), in_reply_to: body.msg_id ?? 0 },
      });
  }

  async #answer(body: MaelstromBody): Promise<MaelstromBody> {
    try {
      if (body.type === "init") return await this.#start(body);
      if (!this.#workload) throw new RequestError("temporarilyUnavailable", "init has not come");
      return await this.#workload(body);
    } catch (error) {
      // Whatever went wrong, the operation may have taken place.
      const code = error instanceof RequestError ? error.code : ERROR_CODES.crash;
      return { type: "error", code, text: error instanceof Error ? error.message : String(error) };
    }
  }

  async #start({ node_id: self, node_ids: nodes }: MaelstromBody): Promise<MaelstromBody> {
    if (typeof self !== "string" || !isTexts(nodes)) throw new RequestError("notSupported", "init without names");
    this.#self = self;
    const send = (dest: string, body: MaelstromBody): void => this.#send({ src: self, dest, body });
    const mesh = new MaelstromMesh({ self, nodes, clock: systemClock, send });
    this.#mesh = mesh;
    // Before the services, which may wait for others; they claim their frames before any can arrive.
    await mesh.start();
    const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: noMetrics };
    this.#workload = await createWorkload(this.#name, {
      ...ports,
      mesh,
      isFirst: nodes[0] === self,
      nodeCount: nodes.length,
    });
    return { type: "init_ok" };
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
