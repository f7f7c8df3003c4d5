import type { ChildProcess } from "node:child_process";
import { request } from "node:http";
import { Home, readRunFile } from "../../packages/easynet/src/node/index.ts";

/** A home folder whose node is a member of the network of the node that runs in `issuerHome`. */
export async function issueMemberHome(issuerHome: string, memberHome: string): Promise<string> {
  const run = readRunFile(issuerHome);
  if (!run) throw new Error("the issuing node does not run");
  const member = new Home(memberHome);
  const answer = await post(`${run.apiUrl}/api/memberships`, new Home(issuerHome).token(), {
    member: member.nodeKey().did,
  });
  member.saveMembership(answer);
  return memberHome;
}

function post(url: string, token: string, body: object): Promise<Parameters<Home["saveMembership"]>[0]> {
  return new Promise((resolve, reject) => {
    const call = request(url, { method: "POST" }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        if (response.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(`${url} answered ${response.statusCode}: ${text}`));
      });
    });
    call.on("error", reject);
    call.setHeader("authorization", `Bearer ${token}`);
    call.setHeader("content-type", "application/json");
    call.end(JSON.stringify(body));
  });
}

/** The first message of a child process; rejects when it ends before. */
export function readyMessage(child: ChildProcess): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(typeof message === "object" ? { ...message } : {}));
    child.once("exit", (code) => reject(new Error(`the child process ended with ${code}`)));
  });
}
