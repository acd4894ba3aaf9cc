/**
 * Shares resources that are costly to open, without losing or leaking one.
 *
 * @packageDocumentation
 */
export {}
