// What a PIN must not be.

const RUN = '0123456789876543210';

/** Six times the same digit, or a run of digits: the first that anybody tries. */
export const isEasyPin = (pin: string): boolean => /^(\d)\1{5}$/.test(pin) || RUN.includes(pin);
