import { terminal, transient } from "./error-row.ts";

/** Failures of artifacts: bulk data by content address. */
export const ARTIFACT_ERRORS = {
  ARTIFACT_ID_INVALID: terminal(
    "INVALID_ARGUMENT",
    "{cid} is no address of an artifact. It is what easynet artifact put prints: 59 characters that begin with b.",
    "{cid} 不是数据块地址。地址由 easynet artifact put 输出：以 b 开头的 59 个字符。",
  ),
  ARTIFACT_NOT_FOUND: terminal(
    "NOT_FOUND",
    "Neither this node nor a member in reach has all of the artifact {cid}. Start a node that has it, then try again.",
    "本节点和可达的成员都没有完整的数据 {cid}。请启动拥有它的节点后重试。",
  ),
  ARTIFACT_UNREACHABLE: transient(
    "UNAVAILABLE",
    "Who had the artifact {cid} is gone. What arrived is kept; try again and only the rest is fetched.",
    "拥有数据 {cid} 的成员已断开。已到达的部分保留；重试时只获取其余部分。",
  ),
  ARTIFACT_INVALID: terminal(
    "FAILED_PRECONDITION",
    "The address names no artifact of this network: {reason}. Nothing was kept; add the data again with easynet artifact put.",
    "该地址不是本网络的数据：{reason}。未保留任何内容；请用 easynet artifact put 重新加入。",
  ),
  ARTIFACT_FORGED: terminal(
    "ABORTED",
    "{peer} sent bytes that are not those of the artifact {cid}. Nothing was kept; do not trust that node.",
    "{peer} 发送的字节不属于数据 {cid}。未保留任何内容；请勿信任该节点。",
  ),
  ARTIFACT_TOO_LARGE: terminal(
    "RESOURCE_EXHAUSTED",
    "The artifact exceeds {bytesMax} bytes. Nothing was kept; cut it into several.",
    "数据超过 {bytesMax} 字节。未保留任何内容；请分成多份。",
  ),
  ARTIFACTS_FULL: transient(
    "RESOURCE_EXHAUSTED",
    "There is no room for the artifact: {usedBytes} bytes are kept, all pinned or in use. Remove some with easynet artifact remove.",
    "没有空间存放数据：已保留 {usedBytes} 字节，均已固定或正在使用。请用 easynet artifact remove 删除一些。",
  ),
  ARTIFACT_DAMAGED: terminal(
    "DATA_LOSS",
    "The file of a part of the artifact {cid} was changed on disk. Get it again: only that part is fetched. Check the disk.",
    "数据 {cid} 的一部分在磁盘上被改动。请重新获取：只会获取该部分。请检查磁盘。",
  ),
  ARTIFACT_BUSY: transient(
    "ABORTED",
    "The artifact {cid} is being read or fetched. Try again when that has ended.",
    "数据 {cid} 正在被读取或获取。请在结束后重试。",
  ),
};
