/** Names and limits of Cloud Map's instances (API reference of RegisterInstance). */

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
