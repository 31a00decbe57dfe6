/** Names and limits of Cloud Map's services and instances (API reference of RegisterInstance). */
import { isHost } from '../../../discovery/service-name.ts'

export const IPV4 = 'AWS_INSTANCE_IPV4'
export const IPV6 = 'AWS_INSTANCE_IPV6'
export const PORT = 'AWS_INSTANCE_PORT'
/** Set by ECS on instances that it registers; never by this library. */
export const ECS_SERVICE = 'ECS_SERVICE_NAME'
/** Read by the discovering client (discovery/cloud-map/endpoint.ts). */
export const WEIGHT = 'WEIGHT'

export const MAX_ATTRIBUTES = 30
export const MAX_KEY_LENGTH = 255
export const MAX_VALUE_LENGTH = 1_024
/** Keys and values of all attributes. */
export const MAX_CHARACTERS = 5_000
/** Of InstanceId. */
export const INSTANCE_ID: RegExp = /^[0-9a-zA-Z_/:.@-]{1,64}$/
/** Printable ASCII without blanks. */
export const ATTRIBUTE_KEY: RegExp = /^[!-~]+$/
/** Printable ASCII that does not begin with a blank. */
export const ATTRIBUTE_VALUE: RegExp = /^([!-~][ \t!-~]*)?$/

const SERVICE_ID = /^srv-[a-z0-9]{1,60}$/
/** A service shared by another account is reached by its ARN alone, so ARNs stay as they are. */
const SERVICE_ARN = /^arn:[^:]+:servicediscovery:[^:]+:\d{12}:service\/srv-[a-z0-9]{1,60}$/

/** Whether the option names a service by its id or ARN, and so needs no search. */
export function isServiceId(service: string): boolean {
  return SERVICE_ID.test(service) || SERVICE_ARN.test(service)
}

/** Whether it can be the name of a service in a namespace, e.g. `orders.shop.local`. */
export function isServiceName(service: string): boolean {
  return isHost(service) && service.includes('.')
}
