// The page's script. in_browser.mjs calls the functions of `window.scenarios`.

import * as scenarios from "./scenarios.js";

Object.assign(window, { scenarios });
