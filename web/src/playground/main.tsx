import { mount } from "../page/mount";
import { Playground } from "./Playground";

mount(<Playground />, "user");
