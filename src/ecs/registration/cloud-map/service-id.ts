import { isHost } from '../../../discovery/service-name.ts'

const ID = /^srv-[a-z0-9]{1,60}$/
/** A service shared by another account is reached by its ARN alone, so ARNs stay as they are. */
const ARN = /^arn:[^:]+:servicediscovery:[^:]+:\d{12}:service\/srv-[a-z0-9]{1,60}$/

/** Whether the option names a service by its id or ARN, and so needs no search. */
export function isServiceId(service: string): boolean {
  return ID.test(service) || ARN.test(service)
}

/** Whether it can be the name of a service in a namespace, e.g. `orders.shop.local`. */
export function isServiceName(service: string): boolean {
  return isHost(service) && service.includes('.')
}
