import { type ErrorRow, terminal, transient } from "./error-row.ts";

/** Rows of the error table about keys, memberships, invitations and joining. */
export const IDENTITY_ERRORS = {
  CARD_INVALID: terminal(
    "INVALID_ARGUMENT",
    "The agent card of {agent} was refused: {reason}. Ask its owner to publish it again.",
    "{agent} 的智能体卡片被拒绝：{reason}。请其所有者重新发布。",
  ),
  SIGNATURE_INVALID: terminal(
    "UNAUTHENTICATED",
    "The signature of {subject} does not verify. It was ignored; it may have been altered on the way.",
    "{subject} 的签名验证失败，已忽略；内容可能在途中被篡改。",
  ),
  SEAL_BROKEN: terminal(
    "UNAUTHENTICATED",
    "{subject} does not open with this key: it was altered on the way, or sealed for or by somebody else. Ask for it again.",
    "{subject} 无法用此密钥打开：可能在途中被篡改，或收发双方与预期不符。请要求重新发送。",
  ),
  MEMBERSHIP_INVALID: terminal(
    "PERMISSION_DENIED",
    "{peer} is not a member of this network: {reason}. Ask a member for a new membership.",
    "{peer} 不是本网络的成员：{reason}。请向网络成员申请新的成员资格。",
  ),
  NETWORK_MISMATCH: terminal(
    "PERMISSION_DENIED",
    "{peer} belongs to another network ({network}). Check which network each machine joined.",
    "{peer} 属于另一个网络（{network}）。请检查各机器加入的网络。",
  ),
  TOKEN_INVALID: terminal(
    "UNAUTHENTICATED",
    "The local API needs the token of this node. Read it from {tokenFile}.",
    "本地接口需要本节点的令牌。请从 {tokenFile} 读取。",
  ),
  HOST_REFUSED: terminal(
    "PERMISSION_DENIED",
    "The request named the host {host}, which this node does not serve. Use the address that easynet up printed.",
    "请求使用的主机名 {host} 不受本节点服务。请使用 easynet up 打印的地址。",
  ),
  ORIGIN_REFUSED: terminal(
    "PERMISSION_DENIED",
    "A web page of {origin} tried to use this node and was refused. Use the address that easynet up printed.",
    "来自 {origin} 的网页试图访问本节点，已被拒绝。请使用 easynet up 打印的地址。",
  ),
  INVITE_RIGHT_MISSING: terminal(
    "FAILED_PRECONDITION",
    "This machine is only a member of the network {network} and may not let others in. Do it on another machine of the network.",
    "本机在网络 {network} 中只是普通成员，无权让其他机器加入。请在网络中的另一台机器上操作。",
  ),
  INVITE_INVALID: terminal(
    "INVALID_ARGUMENT",
    "The invitation code is not valid: {reason}. Copy it again as easynet invite printed it.",
    "邀请码无效：{reason}。请按 easynet invite 打印的内容重新复制。",
  ),
  INVITE_EXPIRED: terminal(
    "FAILED_PRECONDITION",
    "The invitation has expired, or the clocks of the two machines differ. Make a new one with easynet invite.",
    "邀请已过期，或两台机器的时钟不一致。请用 easynet invite 重新生成。",
  ),
  INVITE_USED: terminal(
    "PERMISSION_DENIED",
    "The invitation was used by another machine already ({uses} of {usesMax}). Make a new one with easynet invite.",
    "该邀请已被其他机器用完（{uses}/{usesMax}）。请用 easynet invite 重新生成。",
  ),
  INVITE_REVOKED: terminal(
    "PERMISSION_DENIED",
    "The invitation was called back, or its issuer does not know it. Make a new one with easynet invite.",
    "该邀请已被撤回，或签发者不认识它。请用 easynet invite 重新生成。",
  ),
  ALREADY_MEMBER: terminal(
    "FAILED_PRECONDITION",
    "This machine is already in the network {network}. Leave that one first with easynet leave.",
    "本机已在网络 {network} 中。请先用 easynet leave 离开。",
  ),
  JOIN_REFUSED: terminal(
    "PERMISSION_DENIED",
    "{peer} does not let this machine in: {reason}. Ask for an invitation, easynet invite prints one.",
    "{peer} 不接纳本机：{reason}。请索取邀请，由 easynet invite 打印。",
  ),
  NOBODY_NEARBY: transient(
    "NOT_FOUND",
    "No node answers nearby by multicast. Name one: easynet join --ask HOST:7441, or join with a code.",
    "附近没有节点应答组播。请指定一个：easynet join --ask 主机:7441，或使用邀请码。",
  ),
  SEVERAL_NEARBY: terminal(
    "FAILED_PRECONDITION",
    "Nodes of {count} networks answer nearby: {choices}. Choose one: easynet join --ask ADDRESS.",
    "附近有 {count} 个网络的节点应答：{choices}。请选择一个：easynet join --ask 地址。",
  ),
  JOIN_NOT_PENDING: terminal(
    "NOT_FOUND",
    "No machine {who} asks to be let in. See who does with easynet approve.",
    "没有名为 {who} 的机器在请求加入。请用 easynet approve 查看。",
  ),
  LEAVE_UNCONFIRMED: terminal(
    "FAILED_PRECONDITION",
    "This machine holds the root key of the network {network}: after it left, the right of the others to let machines in ends some day. Leave with --yes.",
    "本机持有网络 {network} 的根密钥：离开后，其他机器接纳新机器的权限终将到期。确认请加 --yes。",
  ),
  DUPLICATE_IDENTITY: transient(
    "ABORTED",
    "Two processes run with the key of {peer}: {reason}. Stop the copy and remove node.key from its folder.",
    "有两个进程使用 {peer} 的密钥：{reason}。请停止副本，并从其目录删除 node.key。",
  ),
} satisfies Record<string, ErrorRow>;
