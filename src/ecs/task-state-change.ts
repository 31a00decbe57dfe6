/** "ECS Task State Change", as EventBridge delivers it: the parts that are read. */
import { isIP } from 'node:net'

/** Event of EventBridge with `detail-type` "ECS Task State Change" (Amazon ECS Developer Guide, "ECS events"). */
export interface TaskStateChange {
  /** `ECS Task State Change` */
  readonly 'detail-type': string
  /** The task. */
  readonly detail: {
    /** `STOPPED` is acted on; other states are passed over. */
    readonly lastStatus: string
    /** ARN of the task; its last part is the id that it is registered under. */
    readonly taskArn: string
    /** Network interfaces, with their addresses in `details`. */
    readonly attachments?: readonly {
      readonly details?: readonly { readonly name?: string; readonly value?: string }[]
    }[]
    /** Containers, with the addresses of their network interfaces. */
    readonly containers?: readonly {
      readonly networkInterfaces?: readonly {
        readonly privateIpv4Address?: string
        readonly ipv6Address?: string
      }[]
    }[]
  }
}

/** A task that has stopped. */
export interface StoppedTask {
  readonly id: string
  /** Of its network interfaces. Once it has stopped, another task may get them. */
  readonly addresses: ReadonlySet<string>
}

const DETAIL_TYPE = 'ECS Task State Change'
const ADDRESS_DETAIL = /^(private)?ipv[46]address$/i

/**
 * @returns undefined for a task in another state
 * @throws TypeError for an event of another kind: the rule is wrong
 */
export function stoppedTask(event: unknown): StoppedTask | undefined {
  const { 'detail-type': type, detail } = (event ?? {}) as Partial<TaskStateChange>
  if (type !== DETAIL_TYPE)
    throw new TypeError(
      `the event must be an EventBridge event "${DETAIL_TYPE}", got ${JSON.stringify(type)}`,
    )
  const taskArn: unknown = detail?.taskArn
  const id = typeof taskArn === 'string' ? taskArn.slice(taskArn.lastIndexOf('/') + 1) : ''
  if (detail === undefined || id === '')
    throw new TypeError(`detail.taskArn must be the ARN of a task, got ${JSON.stringify(taskArn)}`)
  if (detail.lastStatus !== 'STOPPED') return undefined
  const ofAttachments = (detail.attachments ?? []).flatMap(({ details }) =>
    (details ?? []).filter(({ name }) => ADDRESS_DETAIL.test(name ?? '')).map(({ value }) => value),
  )
  const ofContainers = (detail.containers ?? []).flatMap(({ networkInterfaces }) =>
    (networkInterfaces ?? []).flatMap(({ privateIpv4Address, ipv6Address }) => [
      privateIpv4Address,
      ipv6Address,
    ]),
  )
  const addresses = [...ofAttachments, ...ofContainers].filter(
    (text): text is string => typeof text === 'string' && isIP(text) !== 0,
  )
  return { id, addresses: new Set(addresses) }
}
