// The page's script: `stories` is what the driver calls.

import * as stories from "./stories.js";

Object.assign(window, { stories });
