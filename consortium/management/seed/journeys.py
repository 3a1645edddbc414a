"""Ten years of one person's illness, each told as a doctor would write it down.

Every function takes the chart and the first day that it may write about, and goes on to `chart.until`.
Numbers
move as the illness and its treatment move them, with noise from the chart's own generator.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from consortium.management.seed import codes
from consortium.management.seed.chart import Chart
from consortium.management.seed.codes import Problem

CHECK_UP = ("185349003", "Encounter for check up")
SYMPTOM = ("185345009", "Encounter for symptom")
FOLLOW_UP = ("390906007", "Follow-up encounter")
EMERGENCY = ("50849002", "Emergency room admission")
ADMISSION = ("32485007", "Hospital admission")
PRENATAL = ("424619006", "Prenatal visit")
POSTNATAL = ("169762003", "Postnatal visit")
WELL_CHILD = ("410620009", "Well child visit")

NEVER = ("266919005", "Never smoked tobacco")
FORMER = ("8517006", "Ex-smoker")
CURRENT = ("77176002", "Smoker")


def _visits(rng: Random, start: date, until: date, every: int) -> Iterator[date]:
    """Working days about `every` days apart."""
    day = start
    while day <= until:
        yield day - timedelta(days=day.weekday() - 4) if day.weekday() > 4 else day
        day += timedelta(days=round(every * rng.uniform(0.8, 1.2)))


def _noise(chart: Chart, width: float) -> float:
    return chart.rng.gauss(0.0, width)


def _body(chart: Chart, day: date, visit: dict[str, str], weight: float, height: float) -> None:
    chart.measure(codes.WEIGHT, weight, day, visit)
    chart.measure(codes.HEIGHT, height, day, visit)
    chart.measure(codes.BMI, weight / (height / 100) ** 2, day, visit)


def _blood_count(chart: Chart, day: date, visit: dict[str, str], haemoglobin: float) -> None:
    results = [
        (codes.HAEMOGLOBIN, haemoglobin),
        (codes.LEUKOCYTES, 6.4 + _noise(chart, 1.1)),
        (codes.PLATELETS, 232 + _noise(chart, 38)),
    ]
    chart.panel("58410-2", "CBC panel - Blood by Automated count", results, day, visit)


def _lipids(chart: Chart, day: date, visit: dict[str, str], ldl: float) -> None:
    hdl, fat = 1.25 + _noise(chart, 0.15), 1.6 + _noise(chart, 0.35)
    results = [
        (codes.CHOLESTEROL, ldl + hdl + fat / 2.2),
        (codes.LDL, ldl),
        (codes.HDL, hdl),
        (codes.TRIGLYCERIDE, max(0.5, fat)),
    ]
    chart.panel("57698-3", "Lipid panel with direct LDL - Serum or Plasma", results, day, visit)


def _figure(human_sex: str, rng: Random) -> tuple[float, float]:
    """An adult's height in cm and a plausible weight in kg."""
    height = rng.gauss(161 if human_sex == "female" else 172, 5.5)
    return height, rng.gauss(23.8, 2.6) * (height / 100) ** 2


def hypertension(chart: Chart, start: date) -> None:
    """Found at a check-up, treated in two steps, followed four times a year."""
    height, weight = _figure(chart.human.sex, chart.rng)
    found = start + timedelta(days=chart.rng.randint(30, 700))
    problem: dict[str, str] | None = None
    step = 0
    for number, day in enumerate(_visits(chart.rng, found, chart.until, 105)):
        kind = CHECK_UP if number == 0 else FOLLOW_UP
        visit = chart.encounter(day, kind, reason=codes.HYPERTENSION if number else None)
        systolic = 158 - (14 if step > 0 else 0) - (11 if step > 1 else 0) + _noise(chart, 5)
        chart.blood_pressure(systolic, systolic * 0.59 + _noise(chart, 3), day, visit)
        chart.measure(codes.HEART_RATE, 74 + _noise(chart, 6), day, visit)
        if number == 0:
            chart.smoking(day, visit, chart.rng.choice((NEVER, FORMER, CURRENT)))
            problem = chart.condition(codes.HYPERTENSION, day, visit)
            chart.procedure("29303009", "Electrocardiographic procedure", day, visit, reason=problem)
            chart.plan("Blood pressure below 130/80", problem, day, ("Salt below 5 g a day", "Measure at home"))
        elif step == 0:
            chart.medication(codes.AMLODIPINE, day, visit, reason=problem)
            step = 1
        elif step == 1 and systolic > 142:
            chart.medication(codes.LOSARTAN, day, visit, reason=problem)
            step = 2
        if number % 4 == 0:
            _body(chart, day, visit, weight + _noise(chart, 0.8), height)
            kidney = [
                (codes.CREATININE, 76 + number * 0.5 + _noise(chart, 6)),
                (codes.GLUCOSE, 5.4 + _noise(chart, 0.3)),
            ]
            chart.panel("51990-0", "Basic metabolic panel - Blood", kidney, day, visit)
        if number == 4 and chart.rng.random() < 0.6:
            _lipids(chart, day, visit, 3.9 + _noise(chart, 0.3))
            lipids = chart.condition(codes.HYPERLIPIDAEMIA, day, visit)
            chart.medication(codes.ATORVASTATIN, day, visit, reason=lipids)
        elif number > 4 and number % 5 == 0:
            _lipids(chart, day, visit, 2.5 + _noise(chart, 0.3))


def diabetes(chart: Chart, start: date) -> None:
    """HbA1c climbs, falls on metformin, creeps up and falls once more; feet and eyes are seen yearly."""
    height, weight = _figure(chart.human.sex, chart.rng)
    weight += 9
    found = start + timedelta(days=chart.rng.randint(60, 1200))
    problem: dict[str, str] | None = None
    level, treated = 7.9 + _noise(chart, 0.5), 0
    kidney = False
    for number, day in enumerate(_visits(chart.rng, found, chart.until, 95)):
        visit = chart.encounter(day, CHECK_UP if number == 0 else FOLLOW_UP, reason=codes.DIABETES if number else None)
        chart.blood_pressure(134 + _noise(chart, 7), 80 + _noise(chart, 4), day, visit)
        chart.measure(codes.WEIGHT, weight - min(number, 8) * 0.6 + _noise(chart, 0.6), day, visit)
        results = [(codes.HBA1C, level), (codes.GLUCOSE, level * 1.55 - 3.9 + _noise(chart, 0.5))]
        word = "above the target of 7.0 %" if level > 7.0 else "at target"
        chart.panel("24323-8", "Metabolic panel - Serum or Plasma", results, day, visit, conclusion=f"HbA1c {word}")
        if number == 0:
            problem = chart.condition(codes.DIABETES, day, visit)
            _body(chart, day, visit, weight, height)
            chart.medication(codes.METFORMIN, day, visit, reason=problem)
            chart.plan("HbA1c below 7.0 %", problem, day, ("Walk 30 minutes a day", "Eye examination each year"))
            treated = 1
            level -= 1.1
        elif level > 7.4 and treated < 3:
            drug = codes.DAPAGLIFLOZIN if treated == 1 else codes.GLARGINE
            chart.medication(drug, day, visit, reason=problem)
            treated += 1
            level -= 0.9
        else:
            level += 0.09 + _noise(chart, 0.12)
        if number % 4 == 3:
            chart.procedure("401191002", "Diabetic foot examination", day, visit, reason=problem)
            chart.procedure("134395001", "Diabetic retinopathy screening", day, visit, reason=problem)
            ratio = 12 + number * 1.6 + _noise(chart, 4)
            urine = [(codes.ALBUMIN_RATIO, max(2.0, ratio))]
            chart.panel("14585-4", "Albumin/Creatinine panel - Urine", urine, day, visit)
            if ratio > 45 and not kidney:
                chart.condition(codes.KIDNEY, day, visit)
                kidney = True


def asthma(chart: Chart, start: date) -> None:
    """Attacks in some winters, a controller after the second, peak flow at every visit."""
    child = chart.human.years(start) < 14
    best = 300 if child else 470
    problem: dict[str, str] | None = None
    attacks = 0
    for number, day in enumerate(_visits(chart.rng, start + timedelta(days=100), chart.until, 190)):
        attack = day.month in (11, 12, 1, 2) and chart.rng.random() < 0.5
        kind, ward = (EMERGENCY, "EMER") if attack else (FOLLOW_UP, "AMB")
        visit = chart.encounter(day, kind, reason=codes.ASTHMA, ward=ward, hours=3.5 if attack else 0.4)
        if problem is None:
            problem = chart.condition(codes.ASTHMA, day, visit, onset=day - timedelta(days=240))
            chart.medication(codes.SALBUTAMOL, day, visit, reason=problem)
            chart.condition(codes.RHINITIS, day, visit)
            chart.medication(codes.LORATADINE, day, visit)
            chart.procedure("127783003", "Spirometry", day, visit, reason=problem)
        chart.measure(codes.PEAK_FLOW, best * (0.55 if attack else 0.9) + _noise(chart, 14), day, visit)
        chart.measure(codes.SATURATION, min(100, (92 if attack else 98) + _noise(chart, 0.8)), day, visit)
        chart.measure(codes.RESPIRATION, (27 if attack else 16) + _noise(chart, 1.5), day, visit)
        if attack:
            attacks += 1
            note = f"喘息发作，雾化吸入后缓解。Wheeze since the night, better since. Attack {attacks}."
            chart.document("34111-5", "Emergency department Note", note, day, visit)
            if attacks == 2:
                chart.medication(codes.BUDESONIDE, day, visit, reason=problem)
        if number % 2 == 0 and day.month in (9, 10, 11):
            _influenza(chart, day, visit)


def pregnancy(chart: Chart, start: date) -> None:
    """One pregnancy from the first visit to six weeks after the birth, some with gestational diabetes."""
    latest = chart.until - timedelta(days=60)
    room = max(1, (latest - start).days - 300)
    conceived = start + timedelta(days=chart.rng.randint(0, room))
    birth = conceived + timedelta(days=chart.rng.randint(255, 285))
    sugar = chart.rng.random() < 0.4
    height, weight = _figure("female", chart.rng)
    first = conceived + timedelta(weeks=8)
    visit = chart.encounter(first, ("424441002", "Prenatal initial visit"), reason=codes.PREGNANCY)
    expecting = chart.condition(codes.PREGNANCY, first, visit, onset=conceived, ended=birth)
    _body(chart, first, visit, weight, height)
    chart.medication(codes.FOLIC_ACID, first, visit, reason=expecting, days=84)
    haemoglobin = 12.1 + _noise(chart, 0.6)
    _blood_count(chart, first, visit, haemoglobin)
    for week in (12, 16, 20, 24, 28, 32, 36, 38):
        day = conceived + timedelta(weeks=week)
        if day >= birth:
            break
        visit = chart.encounter(day, PRENATAL, reason=codes.PREGNANCY)
        chart.blood_pressure(112 + week / 4 + _noise(chart, 5), 70 + _noise(chart, 4), day, visit)
        chart.measure(codes.WEIGHT, weight + max(0, week - 12) * 0.45, day, visit)
        if week >= 20:
            chart.measure(codes.FUNDAL_HEIGHT, week + _noise(chart, 0.9), day, visit)
            chart.measure(codes.FETAL_HEART, 142 + _noise(chart, 7), day, visit)
        if week in (12, 20, 32):
            chart.procedure("268445003", "Ultrasound scan - obstetric", day, visit, reason=expecting)
        if week == 24:
            sweet = 5.9 if sugar else 4.6
            results = [(codes.GLUCOSE, sweet + _noise(chart, 0.1))]
            chart.panel("24323-8", "Metabolic panel - Serum or Plasma", results, day, visit)
            if sugar:
                chart.condition(codes.GESTATIONAL_DIABETES, day, visit, ended=birth + timedelta(days=42))
        if week == 28:
            haemoglobin -= 1.4
            _blood_count(chart, day, visit, haemoglobin)
            if haemoglobin < 11:
                iron = chart.condition(codes.ANAEMIA, day, visit, ended=birth + timedelta(days=42))
                chart.medication(codes.IRON, day, visit, reason=iron, days=120)
    stay = chart.encounter(birth, ADMISSION, reason=codes.PREGNANCY, ward="IMP", hours=70)
    caesarean = chart.rng.random() < 0.35
    delivery = ("11466000", "Cesarean section") if caesarean else ("236973005", "Delivery procedure")
    chart.procedure(*delivery, birth, stay, reason=expecting)
    grams = round(3250 + _noise(chart, 330))
    note = f"母婴平安，新生儿体重{grams}克。Mother and child are well; birth weight {grams} g. Home on day 3."
    chart.document("18842-5", "Discharge summary", note, birth + timedelta(days=3), stay)
    after = birth + timedelta(days=42)
    visit = chart.encounter(after, POSTNATAL)
    chart.blood_pressure(114 + _noise(chart, 5), 72 + _noise(chart, 4), after, visit)
    _blood_count(chart, after, visit, 12.4 + _noise(chart, 0.4))


def childhood(chart: Chart, start: date) -> None:
    """Growth and vaccinations by the calendar, with the usual infections."""
    human = chart.human
    vaccines = [(months, cvx, words) for cvx, words, ages in codes.VACCINATIONS for months in ages]
    for months in (1, 2, 3, 4, 5, 6, 8, 12, 18, 24, 36, 48, 60, 72, 96, 120, 144):
        day = human.born + timedelta(days=round(months * 30.44) + 2)
        if not start <= day <= chart.until:
            continue
        visit = chart.encounter(day, WELL_CHILD)
        height = 50 + 25 * (months / 12) ** 0.62 + _noise(chart, 1.0)
        weight = 3.4 + 6.3 * (months / 12) ** 0.55 + max(0, months - 24) * 0.14 + _noise(chart, 0.3)
        chart.measure(codes.WEIGHT, weight, day, visit)
        chart.measure(codes.HEIGHT, height, day, visit)
        if months <= 24:
            chart.measure(codes.HEAD, 34.5 + 11.5 * (months / 12) ** 0.42, day, visit)
        for due, cvx, words in vaccines:
            if due == months or (months == 1 and due == 0):
                chart.vaccination(cvx, words, day, visit, lot=_lot(chart))
    infections(chart, max(start, human.born + timedelta(days=250)), every=420)
    if chart.rng.random() < 0.35:
        day = max(start, human.born + timedelta(days=300))
        if day < chart.until:
            visit = chart.encounter(day, SYMPTOM, reason=codes.ECZEMA)
            chart.condition(codes.ECZEMA, day, visit)


def infections(chart: Chart, start: date, every: int = 800) -> None:
    """Colds and their like: each a problem that was resolved."""
    child = chart.human.years(start) < 14
    choices: tuple[Problem, ...] = (codes.COLD, codes.BRONCHITIS, codes.OTITIS if child else codes.PNEUMONIA)
    if chart.human.sex == "female" and not child:
        choices += (codes.URINARY,)
    first = start + timedelta(days=chart.rng.randint(0, every))
    for day in _visits(chart.rng, first, chart.until - timedelta(days=20), every):
        illness = chart.rng.choice(choices)
        visit = chart.encounter(day, SYMPTOM, reason=illness)
        chart.measure(codes.TEMPERATURE, 38.1 + _noise(chart, 0.6), day, visit)
        chart.measure(codes.RESPIRATION, (24 if child else 18) + _noise(chart, 1.5), day, visit)
        ended = day + timedelta(days=chart.rng.randint(5, 16))
        problem = chart.condition(illness, day, visit, ended=ended)
        if illness is codes.URINARY:
            chart.medication(codes.NITROFURANTOIN, day, visit, reason=problem, days=5)
        elif illness is not codes.COLD:
            # Not amoxicillin: some of these patients are allergic to penicillin.
            chart.medication(codes.AZITHROMYCIN, day, visit, reason=problem, days=5)
        chart.medication(codes.PARACETAMOL, day, visit, reason=problem, days=4)


def healthy(chart: Chart, start: date) -> None:
    """A check-up now and then, one accident or operation at most."""
    height, weight = _figure(chart.human.sex, chart.rng)
    for number, day in enumerate(_visits(chart.rng, start + timedelta(days=200), chart.until, 700)):
        visit = chart.encounter(day, CHECK_UP)
        chart.blood_pressure(119 + _noise(chart, 7), 75 + _noise(chart, 5), day, visit)
        _body(chart, day, visit, weight + number * 0.5, height)
        _blood_count(chart, day, visit, 13.8 + _noise(chart, 0.7))
        _lipids(chart, day, visit, 2.8 + _noise(chart, 0.4))
        if number == 0:
            chart.smoking(day, visit, NEVER)
    day = start + timedelta(days=chart.rng.randint(300, 3000))
    if day < chart.until - timedelta(days=60):
        if chart.rng.random() < 0.5:
            stay = chart.encounter(day, ADMISSION, reason=codes.APPENDICITIS, ward="IMP", hours=90)
            problem = chart.condition(codes.APPENDICITIS, day, stay, ended=day + timedelta(days=20))
            chart.procedure("80146002", "Appendectomy", day, stay, reason=problem)
            _blood_count(chart, day, stay, 13.5)
            note = "腹腔镜阑尾切除术，术后恢复良好。Laparoscopic appendectomy without complication."
            chart.document("18842-5", "Discharge summary", note, day + timedelta(days=4), stay)
        else:
            visit = chart.encounter(day, EMERGENCY, reason=codes.ANKLE, ward="EMER", hours=2)
            problem = chart.condition(codes.ANKLE, day, visit, ended=day + timedelta(days=45))
            chart.medication(codes.IBUPROFEN, day, visit, reason=problem, days=7)


def thyroid(chart: Chart, start: date) -> None:
    """Underactive thyroid: the dose follows the TSH until it is quiet."""
    level = 9.5 + _noise(chart, 1.2)
    problem: dict[str, str] | None = None
    for day in _visits(chart.rng, start + timedelta(days=chart.rng.randint(60, 900)), chart.until, 210):
        visit = chart.encounter(day, FOLLOW_UP if problem else SYMPTOM, reason=codes.HYPOTHYROIDISM)
        chart.measure(codes.HEART_RATE, 66 + _noise(chart, 4), day, visit)
        chart.panel("24348-5", "Thyroid panel - Serum or Plasma", [(codes.TSH, level)], day, visit)
        if problem is None:
            problem = chart.condition(codes.HYPOTHYROIDISM, day, visit)
            chart.medication(codes.LEVOTHYROXINE, day, visit, reason=problem)
        level = 2.1 + (level - 2.1) * 0.35 + abs(_noise(chart, 0.2))


def old_age(chart: Chart, start: date) -> None:
    """What comes with years: a knee, a stomach, sometimes low spirits; influenza vaccine in autumn."""
    for day, problem, drug in (
        (start + timedelta(days=420), codes.KNEE, codes.IBUPROFEN),
        (start + timedelta(days=1100), codes.REFLUX, codes.OMEPRAZOLE),
        (start + timedelta(days=1900), codes.DEPRESSION, codes.SERTRALINE),
    ):
        if chart.rng.random() < 0.55 and day < chart.until:
            visit = chart.encounter(day, SYMPTOM, reason=problem)
            found = chart.condition(problem, day, visit)
            chart.medication(drug, day, visit, reason=found, stopped=drug is codes.IBUPROFEN)
    for year in range(start.year, chart.until.year + 1):
        day = date(year, 10, chart.rng.randint(9, 27))
        if start <= day <= chart.until and chart.rng.random() < 0.6:
            _influenza(chart, day, None)
    chart.vaccination(*codes.PNEUMOCOCCAL, start + timedelta(days=90), None, lot=_lot(chart))


def _influenza(chart: Chart, day: date, visit: dict[str, str] | None) -> None:
    chart.vaccination(*codes.INFLUENZA, day, visit, lot=_lot(chart))


def _lot(chart: Chart) -> str:
    return f"{chart.rng.choice('ABCDEFGH')}{chart.rng.randint(10_000, 99_999)}"
