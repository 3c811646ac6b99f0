/* The drawing tool in Chinese: what bpmn-js, its properties panel, the minimap and the token simulation say in English.
 * `inChinese` is a module that stands in for their `translate`; `simulationInChinese` puts the words of the simulation,
 * which asks nobody, as they appear. A sentence that is missing here stays English. Kinds of events are put together. */

const KINDS = { Cancel: "取消", Compensation: "补偿", Conditional: "条件", Error: "错误", Escalation: "升级", Link: "链接",
  Message: "消息", Signal: "信号", Terminate: "终止", Timer: "定时", Multiple: "多重", "Parallel Multiple": "并行多重" };
const PLACES = { "start event": "开始事件", "end event": "结束事件", "boundary event": "边界事件",
  "intermediate catch event": "中间捕获事件", "intermediate throw event": "中间抛出事件" };
const EVENT = new RegExp(`^(?:(${Object.keys(KINDS).join("|")}) )?(${Object.keys(PLACES).join("|")})( \\(non-interrupting\\))?$`, "i");

const WORDS = {
  /* palette and context pad */
  "Activate create/remove space tool": "腾挪空间", "Activate global connect tool": "连接", "Activate hand tool": "抓手",
  "Activate lasso tool": "框选", "Add lane above": "在上方加泳道", "Add lane below": "在下方加泳道",
  "Add text annotation": "添加批注", "Align elements": "对齐", "Align elements ": "对齐", "Append compensation activity": "追加补偿活动",
  "Append conditional intermediate catch event": "追加条件中间捕获事件", "Append end event": "追加结束事件",
  "Append gateway": "追加网关", "Append intermediate/boundary event": "追加中间或边界事件",
  "Append message intermediate catch event": "追加消息中间捕获事件", "Append receive task": "追加接收任务",
  "Append signal intermediate catch event": "追加信号中间捕获事件", "Append task": "追加任务",
  "Append timer intermediate catch event": "追加定时中间捕获事件", "Append element": "追加元素", "Change element": "更改类型", "Change type": "更改类型",
  "Close minimap": "收起缩略图", "Open minimap": "缩略图", "Connect to other element": "连接到其他元素", "Connect using association": "用关联连接",
  "Connect using data input association": "用数据输入关联连接", "Create data object reference": "新建数据对象",
  "Create data store reference": "新建数据存储", "Create end event": "新建结束事件", "Create element": "新建元素",
  "Create expanded sub-process": "新建展开的子流程", "Create gateway": "新建网关", "Create group": "新建分组",
  "Create intermediate/boundary event": "新建中间或边界事件", "Create pool/participant": "新建泳池",
  "Create start event": "新建开始事件", "Create task": "新建任务", Delete: "删除", Remove: "移除",
  "Distribute elements horizontally": "水平均分", "Distribute elements vertically": "垂直均分",
  "Divide into three lanes": "分为三条泳道", "Divide into two lanes": "分为两条泳道", "Open {element}": "打开{element}",
  "Search in diagram": "在图中查找", "Toggle non-interrupting": "切换是否中断", "Set color": "设置颜色",
  /* kinds of elements */
  Task: "任务", "User task": "用户任务", "Manual task": "手工任务", "Service task": "服务任务", "Send task": "发送任务",
  "Receive task": "接收任务", "Script task": "脚本任务", "Business rule task": "业务规则任务", "Call activity": "调用活动",
  "Sub-process": "子流程", "Sub process": "子流程", "Sub-process (collapsed)": "子流程（折叠）", "Sub-process (expanded)": "子流程（展开）", Transaction: "事务",
  "Event sub-process": "事件子流程", "Event sub process": "事件子流程", "Ad-hoc sub-process": "临时子流程", "Ad hoc sub process": "临时子流程",
  "Ad-hoc sub-process (collapsed)": "临时子流程（折叠）", "Ad-hoc sub-process (expanded)": "临时子流程（展开）",
  "Exclusive gateway": "排他网关", "Parallel gateway": "并行网关", "Inclusive gateway": "包容网关",
  "Complex gateway": "复杂网关", "Event-based gateway": "事件网关", "Event based gateway": "事件网关",
  "Event based instantiating Gateway": "事件网关（启动实例）", "Parallel Event based instantiating Gateway": "并行事件网关（启动实例）",
  "Data object reference": "数据对象", "Data store reference": "数据存储", "Data object": "数据对象", "Data store": "数据存储",
  "Empty pool/participant": "空泳池", "Expanded pool/participant": "展开的泳池", "Participant multiplicity": "多个参与者",
  Process: "流程", Collaboration: "协作", Participant: "泳池", Lane: "泳道", Group: "分组", "Text annotation": "批注", Association: "关联",
  "Message flow": "消息流", "Sequence flow": "顺序流", "Conditional flow": "条件流", "Default flow": "默认流",
  "Data input association": "数据输入关联", "Data output association": "数据输出关联", Loop: "循环", Collection: "集合",
  "Parallel multi-instance": "并行多实例", "Sequential multi-instance": "顺序多实例",
  /* properties panel: groups and fields */
  General: "常规", Documentation: "说明", "Element documentation": "元素说明", "Process documentation": "流程说明",
  "Job priority": "作业优先级", "Execution listeners": "执行监听器", "Task listeners": "任务监听器", "Extension properties": "扩展属性",
  Name: "名称", ID: "标识", "Process ID": "流程标识", "Process name": "流程名称", "Participant Name": "泳池名称", Executable: "可执行",
  Version: "版本", "Version tag": "版本标签", "version tag": "版本标签", Key: "键", Value: "值", Type: "类型", Format: "格式", Label: "标签",
  Assignment: "指派", Assignee: "办理人", "Candidate groups": "候选组", "Candidate users": "候选人", "Candidate starter groups": "可发起的组",
  "Candidate starter users": "可发起的人", "Due date": "期限", "Follow up date": "跟进日期", Priority: "优先级",
  Form: "表单", "Form ID": "表单标识", "Form key": "表单键", "Form reference": "表单引用", "Custom form key": "自定义表单键",
  "External form reference": "外部表单引用", "Camunda Form": "表单", "Camunda Form (embedded)": "表单（内嵌）",
  "Camunda Form (linked)": "表单（链接）", "Form JSON configuration": "表单的 JSON",
  Implementation: "实现", "Camunda user task": "用户任务", "Job worker": "作业工作者", "Job type": "作业类型", "Task definition": "任务定义",
  Headers: "标头", Retries: "重试次数", Condition: "条件", "Condition expression": "条件表达式", "Condition Expression": "条件表达式",
  Timer: "定时", Date: "日期", Duration: "时长", Cycle: "周期", Message: "消息", Signal: "信号", Error: "错误", Escalation: "升级",
  Compensation: "补偿", Link: "链接", Code: "代码", "Global message reference": "消息引用", "Global signal reference": "信号引用",
  "Global error reference": "错误引用", "Global escalation reference": "升级引用", "Subscription correlation key": "订阅关联键",
  "Time to live": "保留时间", "Throw expression": "抛出表达式", "Create new ...": "新建……", "<none>": "<无>", "<empty>": "<空>",
  "Wait for completion": "等待完成", "Activity reference": "活动引用", "Multi-instance": "多实例", "Input collection": "输入集合",
  "Input element": "输入元素", "Output collection": "输出集合", "Output element": "输出元素", "Completion condition": "完成条件",
  "Loop cardinality": "循环次数", Completion: "完成", "Active elements": "活动元素", "Active elements collection": "活动元素集合",
  "Cancel remaining instances": "取消其余实例", "Called element": "被调用流程", "Called decision": "被调用决策", "Decision ID": "决策标识",
  "Result variable": "结果变量", Binding: "绑定", latest: "最新", deployment: "同一部署", versionTag: "版本标签",
  "Input mapping": "输入映射", "Output mapping": "输出映射", "Input propagation": "输入传递", "Output propagation": "输出传递",
  "Propagate all variables": "传递所有变量", "Propagate all child process variables": "传回子流程的所有变量",
  "Propagate all parent process variables": "传入父流程的所有变量", Source: "来源", Target: "目标", Variables: "变量",
  "Local variable name": "局部变量名", "Process variable name": "流程变量名", "Variable assignment value": "变量赋值", "Variable name": "变量名",
  "Variable events": "变量事件", Script: "脚本", "Inline script": "内联脚本", "FEEL expression": "FEEL 表达式", Expression: "表达式",
  "Event type": "事件类型", "Listener type": "监听器类型", "Listener ID": "监听器标识", Properties: "属性", Create: "新建", Update: "更新",
  On: "开", Off: "关", Before: "之前", After: "之后", "Business ID": "业务标识", start: "开始", end: "结束", create: "新建",
  update: "更新", complete: "完成", assignment: "指派", "{eventType}: {type}": "{eventType}：{type}",
  "Select an element to edit its properties.": "选择一个元素以编辑其属性。",
  "Multiple elements are selected. Select a single element to edit its properties.": "已选择多个元素。请只选一个以编辑其属性。",
  "ID must be a valid QName.": "标识必须是合法的 XML 名称。", "ID must be unique.": "标识不能重复。", "ID must not be empty.": "标识不能为空。",
  "ID must not contain prefix.": "标识不能带前缀。", "ID must not contain spaces.": "标识不能有空格。",
  "A time duration defined as ISO 8601 durations format.": "ISO 8601 格式的时长。",
  "A specific point in time defined as ISO 8601 combined date and time representation.": "ISO 8601 格式的日期和时间。",
  "A cycle defined as ISO 8601 repeating intervals format.": "ISO 8601 格式的重复间隔。",
  "A cycle defined as ISO 8601 repeating intervals format, or a cron expression.": "ISO 8601 格式的重复间隔，或 cron 表达式。",
  "How to configure a timer": "如何设置定时", "15 seconds": "15 秒", "1 hour and 30 minutes": "1 小时 30 分", "14 days": "14 天",
  "every 10 seconds, up to 5 times": "每 10 秒一次，最多 5 次", "every day, infinitely": "每天一次，不限次数",
  "every hour on the hour from 9-5 p.m. UTC Monday-Friday": "周一至周五 UTC 9 至 17 时每个整点", "UTC time": "UTC 时间",
  "UTC plus 2 hours zone offset": "UTC 加 2 小时", "This maps to the process definition key.": "对应流程定义的键。",
  "Specify more than one group as a comma separated list.": "多个组用逗号分隔。",
  "Specify more than one user as a comma separated list.": "多个人用逗号分隔。",
  "If turned on, all variables from the child process instance will be propagated to the parent process instance.": "打开后，子流程的所有变量都传回父流程。",
  "If turned on, all variables from the parent process instance will be propagated to the child process instance.": "打开后，父流程的所有变量都传入子流程。",
  "Otherwise, only variables defined via input mappings will be propagated.": "否则只传递输入映射中的变量。",
  "Otherwise, only variables defined via output mappings will be propagated.": "否则只传递输出映射中的变量。",
};
const LOWER = Object.fromEntries(Object.entries(WORDS).map(([english, chinese]) => [english.toLowerCase(), chinese]));

export function chinese(english) {
  const word = WORDS[english] ?? LOWER[english.toLowerCase()];
  if (word) return word;
  const [, kind, place, calm] = english.match(EVENT) ?? [];
  if (!place) return english;
  const named = Object.keys(KINDS).find((one) => one.toLowerCase() === kind?.toLowerCase());
  return `${KINDS[named] ?? ""}${PLACES[place.toLowerCase()]}${calm ? "（非中断）" : ""}`;
}

const translate = (english, values = {}) =>
  chinese(english).replace(/{([^}]+)}/g, (whole, name) => values[name] ?? whole);

export const inChinese = { translate: ["value", translate] };

/* --- the simulation ------------------------------------------------------------------------------ */
const SIMULATION = {
  "Token Simulation": "令牌模拟", "Reset Simulation": "重新开始模拟", "Play/Pause Simulation": "继续或暂停模拟",
  "Play Simulation": "继续模拟", "Pause Simulation": "暂停模拟", "Toggle Simulation Log": "模拟日志", "Simulation Log": "模拟日志",
  "Set Sequence Flow": "选择顺序流", "Add pause point": "添加暂停点", "Remove pause point": "移除暂停点", "Trigger Event": "触发事件",
  "No Entries": "暂无记录", "Process started": "流程已开始", "Process finished": "流程已结束", "Process canceled": "流程已取消",
};

export function simulationInChinese(place) {
  const tell = (node) => {
    const word = SIMULATION[node.nodeValue?.trim()];
    if (word) node.nodeValue = node.nodeValue.replace(node.nodeValue.trim(), word);
    if (node.title && SIMULATION[node.title]) node.title = SIMULATION[node.title];
    node.childNodes?.forEach(tell);
  };
  tell(place);
  new MutationObserver((changes) => changes.forEach((one) => one.addedNodes.forEach(tell)))
    .observe(place, { childList: true, subtree: true });
}
