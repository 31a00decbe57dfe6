/** Settings of all stacks. The CloudFormation templates have the same numbers; the checks compare them. */

/** The zones of the subnets. Explicit, so that a synthesis needs no account: set SHOP_ZONES for your Region. */
export const region: string = process.env['CDK_DEFAULT_REGION'] ?? 'eu-west-1'
export const zones: string[] = process.env['SHOP_ZONES']?.split(',') ?? [`${region}a`, `${region}b`]

/** Found by DNS and by the API. */
export const dnsNamespace = 'shop.local'
/** Found by the API alone. */
export const httpNamespace = 'shop-http'

/** The ports of containers and load balancers. */
export const port = 8080
export const balancerPort = 80

/** How long resolvers may keep an address, and how long the answer that there is none (the SOA record's TTL). */
export const dnsTtlS = 10
/**
 * From SIGTERM to SIGKILL. A task has to serve for TTL + propagation after it was deregistered, and then has to finish its
 * requests: 10 + 10 + 10 s and a margin, 30 s are too short.
 */
export const stopTimeoutS = 60

/** A quarter of a vCPU on Graviton: the smallest task. */
export const smallest = { cpu: 256, memoryMiB: 512 }
