// Whether practice is to be offered on the home screen: after an enrolment, until it was tried or put off.

const KEY = 'thonso.practice';

/** Offers it from now on. */
export const offerPractice = (): void => localStorage.setItem(KEY, 'offered');

/** Offers it no more. */
export const stopOffering = (): void => localStorage.removeItem(KEY);

/** Whether it is offered. */
export const isOffering = (): boolean => localStorage.getItem(KEY) !== null;
