/**
 * What the doctor can find, once: the state that it means, what was observed and what mends it, in both languages.
 * `{name}` is replaced from the finding's values.
 */
export type DoctorCheck =
  | "runtime"
  | "node"
  | "port"
  | "disk"
  | "identity"
  | "membership"
  | "interfaces"
  | "multicast"
  | "nearby"
  | "reach"
  | "clock"
  | "bridge";

interface FactRow {
  readonly check: DoctorCheck;
  readonly state: "ok" | "warning" | "failed";
  readonly en: string;
  readonly zh: string;
  /** A command, or what to change. */
  readonly mend?: { readonly en: string; readonly zh: string };
}

const START = { en: "easynet up", zh: "easynet up" };
const RESTART = {
  en: "end process {pid} if it is easynet, or else remove lock and run.json from {home}; then easynet up",
  zh: "若进程 {pid} 是 easynet 则结束它，否则从 {home} 删除 lock 和 run.json；然后 easynet up",
};
const NEW_KEY = {
  en: "on the copy: easynet down, remove node.key and membership.json from its folder, easynet join CODE",
  zh: "在副本上：easynet down，从其目录删除 node.key 和 membership.json，再 easynet join 邀请码",
};
const NEW_MEMBERSHIP = {
  en: "easynet invite on another machine, then here: easynet leave, easynet join CODE",
  zh: "在另一台机器上执行 easynet invite，然后在本机：easynet leave，easynet join 邀请码",
};
const TELL_ADDRESS = {
  en: "easynet up --bootstrap HOST:7441 on one of them, or allow UDP 5353",
  zh: "在其中一台上执行 easynet up --bootstrap 主机:7441，或放行 UDP 5353",
};

export const DOCTOR_FACTS = {
  "node-version-ok": { check: "runtime", state: "ok", en: "version {found}", zh: "版本 {found}" },
  "node-running": {
    check: "node",
    state: "ok",
    en: "{name} runs and listens on {addresses}",
    zh: "{name} 正在运行，监听 {addresses}",
  },
  "node-stopped": { check: "node", state: "warning", en: "no node runs here", zh: "本机没有运行的节点", mend: START },
  "node-silent": {
    check: "node",
    state: "failed",
    en: "the node did not answer: {reason}",
    zh: "节点没有应答：{reason}",
    mend: { en: "easynet down, then easynet up", zh: "先 easynet down，再 easynet up" },
  },
  "api-answers": { check: "port", state: "ok", en: "the local API answers at {url}", zh: "本地接口在 {url} 应答" },
  "api-refused": {
    check: "port",
    state: "failed",
    en: "process {pid} should serve the local API at {url}, but nobody listens there",
    zh: "进程 {pid} 应在 {url} 提供本地接口，但无人监听",
    mend: RESTART,
  },
  "api-foreign": {
    check: "port",
    state: "failed",
    en: "at {url} another program answers than the node of this folder",
    zh: "在 {url} 应答的不是本目录的节点，而是其他程序",
    mend: RESTART,
  },
  "port-free": { check: "port", state: "ok", en: "{port} is free", zh: "{port} 空闲" },
  "port-taken": {
    check: "port",
    state: "warning",
    en: "{port} is used by another program; easynet up will take another one",
    zh: "{port} 被其他程序占用；easynet up 会改用别的端口",
    mend: {
      en: "nothing to do, or name one: easynet up {option} NUMBER",
      zh: "无需处理，或指定端口：easynet up {option} 端口",
    },
  },
  "port-blocked": {
    check: "port",
    state: "failed",
    en: "{port} is used by another program and set as {option}: easynet up will be refused",
    zh: "{port} 被其他程序占用，而它被设为 {option}：easynet up 会被拒绝",
    mend: { en: "easynet up {option} 0, or end that program", zh: "easynet up {option} 0，或结束该程序" },
  },
  "port-forbidden": {
    check: "port",
    state: "failed",
    en: "{port} cannot be opened on {host}: {reason}",
    zh: "无法在 {host} 上打开端口 {port}：{reason}",
    mend: {
      en: "easynet up {option} 0; for an address that this machine does not have: easynet up --listen 0.0.0.0",
      zh: "easynet up {option} 0；若地址不属于本机：easynet up --listen 0.0.0.0",
    },
  },
  "disk-ok": { check: "disk", state: "ok", en: "{freeMb} MB free in {path}", zh: "{path} 剩余 {freeMb} MB" },
  "disk-low": {
    check: "disk",
    state: "failed",
    en: "only {freeMb} MB free in {path}, easynet wants {neededMb} MB",
    zh: "{path} 仅剩 {freeMb} MB，easynet 需要 {neededMb} MB",
    mend: {
      en: "free space there, or easynet up --home FOLDER on another disk",
      zh: "清理空间，或用 easynet up --home 目录 换到其他磁盘",
    },
  },
  "membership-none": {
    check: "membership",
    state: "warning",
    en: "this machine is in no network yet",
    zh: "本机尚未加入任何网络",
    mend: START,
  },
  "membership-owner": {
    check: "membership",
    state: "ok",
    en: "this machine made the network {network} and renews its own membership",
    zh: "本机创建了网络 {network}，会自行续期",
  },
  "identity-alone": {
    check: "identity",
    state: "ok",
    en: "no other process with this node's key was met",
    zh: "没有发现使用本节点密钥的其他进程",
  },
  "identity-twin": {
    check: "identity",
    state: "failed",
    en: "another process runs with this node's key at {address}; it started later and waits",
    zh: "另一个进程在 {address} 使用本节点的密钥；它启动较晚，正在等待",
    mend: NEW_KEY,
  },
  "identity-twin-first": {
    check: "identity",
    state: "failed",
    en: "another process runs with this node's key at {address}; this one started later, members refuse it",
    zh: "另一个进程在 {address} 使用本节点的密钥；本进程启动较晚，成员拒绝它",
    mend: NEW_KEY,
  },
  "membership-inviting": {
    check: "membership",
    state: "ok",
    en: "in {network}, and may let others in, for {days} more days",
    zh: "在 {network} 中并可让其他机器加入，还有 {days} 天到期",
  },
  "membership-ok": {
    check: "membership",
    state: "ok",
    en: "in {network} for {days} more days",
    zh: "在 {network} 中，还有 {days} 天到期",
  },
  "membership-ends": {
    check: "membership",
    state: "warning",
    en: "the membership of {network} ends in {days} days",
    zh: "{network} 的成员资格将在 {days} 天后到期",
    mend: NEW_MEMBERSHIP,
  },
  "membership-invalid": {
    check: "membership",
    state: "failed",
    en: "{reason}",
    zh: "{reason}",
    mend: NEW_MEMBERSHIP,
  },
  "interfaces-chosen": {
    check: "interfaces",
    state: "ok",
    en: "uses {chosen}; skips {skipped}",
    zh: "使用 {chosen}；跳过 {skipped}",
  },
  "interfaces-none": {
    check: "interfaces",
    state: "warning",
    en: "none can be used for multicast; skips {skipped}",
    zh: "没有可用于组播的接口；跳过 {skipped}",
    mend: { en: "easynet up --interface NAME", zh: "easynet up --interface 接口名" },
  },
  "multicast-off": {
    check: "multicast",
    state: "warning",
    en: "is switched off",
    zh: "已关闭",
    mend: { en: "easynet up without --no-mdns", zh: "去掉 --no-mdns 后重新执行 easynet up" },
  },
  "multicast-heard": {
    check: "multicast",
    state: "ok",
    en: "sent on {interface}, heard {count} other machines",
    zh: "已在 {interface} 发送，听到 {count} 台其他机器",
  },
  "multicast-alone": {
    check: "multicast",
    state: "warning",
    en: "sent on {interface}, nobody else heard in {seconds} s: nobody is there, or a switch or firewall blocks 5353/udp",
    zh: "已在 {interface} 发送，{seconds} 秒内没有听到其他机器：附近没有机器，或交换机、防火墙拦截了 5353/udp",
    mend: TELL_ADDRESS,
  },
  "multicast-failed": {
    check: "multicast",
    state: "failed",
    en: "does not work on {interface}: {reason}",
    zh: "在 {interface} 上不可用：{reason}",
    mend: TELL_ADDRESS,
  },
  "heard-linked": {
    check: "nearby",
    state: "ok",
    en: "{heard} members heard by multicast, {linked} of them linked",
    zh: "通过组播听到 {heard} 个成员，其中 {linked} 个已相连",
  },
  "heard-unlinked": {
    check: "nearby",
    state: "warning",
    en: "{heard} members heard by multicast, only {linked} of them linked; missing: {names}",
    zh: "通过组播听到 {heard} 个成员，仅 {linked} 个已相连；缺少：{names}",
    mend: { en: "see the lines about reaching below", zh: "见下方“可达”各行" },
  },
  "reach-direct": { check: "reach", state: "ok", en: "{name}: direct", zh: "{name}：直连" },
  "reach-relayed": {
    check: "reach",
    state: "ok",
    en: "{name}: through {via}; no address of it answers, and the routers let no direct link be punched so far",
    zh: "{name}：经由 {via}；它的地址均无应答，路由器也尚未允许打洞直连",
    mend: {
      en: "for a direct link, forward TCP 7441 on one of the routers and easynet up --announce PUBLIC-ADDRESS:7441 there",
      zh: "如需直连，请在其中一台路由器上转发 TCP 7441，并在那里执行 easynet up --announce 公网地址:7441",
    },
  },
  "reach-linked-now": {
    check: "reach",
    state: "ok",
    en: "{name}: linked just now, by {address}",
    zh: "{name}：刚刚经 {address} 连上",
  },
  "reach-failed": {
    check: "reach",
    state: "failed",
    en: "{name}: {attempts}",
    zh: "{name}：{attempts}",
    mend: {
      en: "open that TCP port there, or run easynet up --relay on a machine that both can reach",
      zh: "在对方放行该 TCP 端口，或在双方都可达的机器上执行 easynet up --relay",
    },
  },
  "reach-no-address": {
    check: "reach",
    state: "failed",
    en: "{name}: it told no address",
    zh: "{name}：它没有公布任何地址",
    mend: { en: "easynet status there", zh: "在对方执行 easynet status" },
  },
  "reach-view": {
    check: "reach",
    state: "ok",
    en: "links to {linked} of {members} other members, as is right in a network of more than 200: the rest is reached through them",
    zh: "与其余 {members} 个成员中的 {linked} 个相连；超过 200 个成员的网络本应如此：其余成员经由它们到达",
  },
  "reach-more": {
    check: "reach",
    state: "warning",
    en: "{left} further members of {members} have no link with this machine and were not tried",
    zh: "{members} 个成员中另有 {left} 个与本机没有连接，本次未尝试",
    mend: {
      en: "easynet doctor again, and easynet doctor there",
      zh: "再次执行 easynet doctor，并在对方执行 easynet doctor",
    },
  },
  "reach-nobody": {
    check: "reach",
    state: "warning",
    en: "no other member is known",
    zh: "尚不知道任何其他成员",
    mend: TELL_ADDRESS,
  },
  "clock-ok": {
    check: "clock",
    state: "ok",
    en: "{seconds} s from the network ({count} members compared)",
    zh: "与网络相差 {seconds} 秒（比较了 {count} 个成员）",
  },
  "clock-alone": { check: "clock", state: "ok", en: "nobody to compare with", zh: "没有可比较的成员" },
  "clock-off": {
    check: "clock",
    state: "warning",
    en: "{seconds} s from the network ({count} members compared)",
    zh: "与网络相差 {seconds} 秒（比较了 {count} 个成员）",
    mend: { en: "set the clock by network time (NTP)", zh: "用网络时间（NTP）校准时钟" },
  },
  "clock-wrong": {
    check: "clock",
    state: "failed",
    en: "{seconds} s from the network ({count} members compared): new memberships are refused",
    zh: "与网络相差 {seconds} 秒（比较了 {count} 个成员）：新的成员资格会被拒绝",
    mend: { en: "set the clock by network time (NTP)", zh: "用网络时间（NTP）校准时钟" },
  },
  "bridge-linked": {
    check: "bridge",
    state: "ok",
    en: "topics are mirrored to stream {stream} of NATS at {servers}; {waiting} messages wait",
    zh: "主题已镜像到 {servers} 上 NATS 的流 {stream}；{waiting} 条消息在等待",
  },
  "bridge-away": {
    check: "bridge",
    state: "failed",
    en: "NATS at {servers} cannot be used: {reason}; {waiting} messages wait for it on disk",
    zh: "无法使用位于 {servers} 的 NATS：{reason}；{waiting} 条消息在磁盘上等待",
    mend: {
      en: "start nats-server with -js there, or change bridges in config.json and start the node again",
      zh: "在那里用 -js 启动 nats-server，或修改 config.json 中的 bridges 后重启节点",
    },
  },
} satisfies Record<string, FactRow>;

export type DoctorFact = keyof typeof DOCTOR_FACTS;
export type FindingValues = Readonly<Record<string, string | number>>;

/** One thing that the doctor looked at. */
export interface Finding {
  readonly fact: DoctorFact;
  readonly check: DoctorCheck;
  readonly state: "ok" | "warning" | "failed";
  readonly values: FindingValues;
}

export function finding(fact: DoctorFact, values: FindingValues = {}): Finding {
  const { check, state }: FactRow = DOCTOR_FACTS[fact];
  return { fact, check, state, values };
}

/** What was observed and what mends it, in words. */
export function describeFinding(
  { fact, values }: Pick<Finding, "fact" | "values">,
  language: "en" | "zh",
): { readonly observed: string; readonly mend: string | undefined } {
  const row: FactRow = DOCTOR_FACTS[fact];
  const fill = (text: string): string =>
    text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  return { observed: fill(row[language]), mend: row.mend && fill(row.mend[language]) };
}

export function isDoctorFact(text: string): text is DoctorFact {
  return Object.hasOwn(DOCTOR_FACTS, text);
}
